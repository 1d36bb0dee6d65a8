package models

// AuditCheckpoint is a signed checkpoint that waits to be sent to the address of
// AUDIT_CHECKPOINT_URL. Owned by audit.
type AuditCheckpoint struct {
	ID     ID `gorm:"primaryKey"`
	Note   string
	MadeAt Time
}

// TableName names the table for GORM.
func (AuditCheckpoint) TableName() string { return "audit_checkpoints" }
