package models

// SpentWork is a proof of work, or a wait that stands for one, that was used.
// Owned by internal/work.
type SpentWork struct {
	ID        []byte `gorm:"primaryKey"`
	ExpiresAt Time
}

// TableName names the table for GORM.
func (SpentWork) TableName() string { return "spent_work" }
