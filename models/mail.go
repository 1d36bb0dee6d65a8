package models

// OutboxMail is a mail that waits, was sent or failed, written in the
// transaction of its cause. Body is sealed (it holds links and codes) and
// blanked once the mail left. Owned by mail.
type OutboxMail struct {
	ID        ID `gorm:"primaryKey"`
	Purpose   string
	Recipient string
	// RecipientKey is a keyed hash of the canonical address, to count by.
	RecipientKey []byte
	Locale       string
	Body         []byte
	State        string
	Attempts     int64
	NextAt       Time
	LastError    string
	CreatedAt    Time
	SentAt       Time
}

// TableName names the table for GORM.
func (OutboxMail) TableName() string { return "mail_outbox" }
