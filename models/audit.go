package models

// AuditEvent is one line of the record of who did what. It commits with its
// cause and is linked into the chain afterwards (Batch is NULL until then).
// Personal fields stand apart with a salt, and the chain holds only a
// commitment to them, so that they can be erased. Owned by audit.
type AuditEvent struct {
	ID         ID `gorm:"primaryKey"`
	Batch      *int64
	At         Time
	Action     string
	Outcome    string
	Reason     string
	ActorID    ID
	SubjectID  ID
	SessionID  ID
	ClientID   string
	RequestID  string
	Detail     []byte // JSON object, no personal data, no secret
	Personal   []byte // JSON object: address, device; NULL once erased
	Salt       []byte
	Commitment []byte
}

// TableName names the table for GORM.
func (AuditEvent) TableName() string { return "audit_events" }

// AuditBatch links a batch of events into the chain. Body lists the id and
// hash of each event in order. Owned by audit.
type AuditBatch struct {
	Seq      int64 `gorm:"primaryKey;autoIncrement:false"`
	PrevHash []byte
	Hash     []byte
	Body     []byte
	SealedAt Time
}

// TableName names the table for GORM.
func (AuditBatch) TableName() string { return "audit_batches" }
