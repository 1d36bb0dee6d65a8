package models

// RevocationOutbox is an ending that is not sealed yet, written in the
// transaction that ended the thing. Owned by tokens.
type RevocationOutbox struct {
	ID      ID `gorm:"primaryKey"`
	Kind    string
	Target  []byte
	Epoch   int64
	Until   Time `gorm:"column:until_at"`
	WantAck bool
}

// TableName names the table for GORM.
func (RevocationOutbox) TableName() string { return "revocation_outbox" }

// RevocationBatch is a sealed batch of endings. Seq is dense: the unique key
// lets one sealer win, so that a reader needs no more than its last Seq as a
// cursor. Owned by tokens.
type RevocationBatch struct {
	Seq      int64 `gorm:"primaryKey;autoIncrement:false"`
	PrevHash []byte
	Body     []byte
	WantAck  bool
	SealedAt Time
}

// TableName names the table for GORM.
func (RevocationBatch) TableName() string { return "revocation_batches" }

// Deployment is the one row about the whole installation. LogID names the
// revocation log; it changes when the database went back in time. Owned by
// tokens, but for SetupDoneAt, which accounts sets through tokens.
type Deployment struct {
	ID           int64 `gorm:"primaryKey;autoIncrement:false"`
	LogID        ID
	AccessTTLMax int64 `gorm:"column:access_ttl_max"` // microseconds, the longest in use so far
	SetupDoneAt  Time
	CreatedAt    Time
}

// TableName names the table for GORM.
func (Deployment) TableName() string { return "deployment" }

// Node is a running server process. Owned by tokens.
type Node struct {
	ID        ID `gorm:"primaryKey"`
	Boot      ID
	Beat      int64
	StartedAt Time
	SeenAt    Time
}

// TableName names the table for GORM.
func (Node) TableName() string { return "nodes" }

// PastLog is a revocation log that was left because the database had gone back
// in time. Whoever followed it finds out here that the one of today was begun
// after it; a log that nobody left is the past itself. Owned by tokens.
type PastLog struct {
	LogID        ID `gorm:"primaryKey"`
	NextLogID    ID
	Why          string
	SessionsKept bool
	LeftAt       Time
}

// TableName names the table for GORM.
func (PastLog) TableName() string { return "past_logs" }

// NodeAck is what a running server process can say for receipts; Body is in a
// form of tokens, which owns the table.
type NodeAck struct {
	NodeID ID `gorm:"primaryKey"`
	Name   string
	LogID  ID
	Seq    int64
	Body   []byte
}

// TableName names the table for GORM.
func (NodeAck) TableName() string { return "node_acks" }
