package models

// ServiceAccount is a program that may follow the revocation log. Its secret
// is kept as a hash. A removed one keeps its row, so that its name can come
// back under the same id. Owned by tokens.
type ServiceAccount struct {
	ID         ID `gorm:"primaryKey"`
	Name       string
	SecretHash []byte
	CreatedAt  Time
	DisabledAt Time
	LastSeenAt Time
}

// TableName names the table for GORM.
func (ServiceAccount) TableName() string { return "services" }

// Follower is a running instance of a service: four replicas are four
// followers. Mode and Bound (microseconds) are what it declared to do when its
// view grows old. Owned by tokens.
type Follower struct {
	ID           ID `gorm:"primaryKey"`
	ServiceID    ID
	Mode         string
	Bound        int64
	RegisteredAt Time
	SeenAt       Time
}

// TableName names the table for GORM.
func (Follower) TableName() string { return "followers" }
