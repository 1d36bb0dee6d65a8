package models

import (
	"database/sql/driver"
	"fmt"
)

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
	// LastError is why the last try failed, Answer what the server said to it.
	LastError string
	Answer    string
	// GiveUpAt ends the tries.
	GiveUpAt Time
	// RecipientSeq numbers the mails to one address that have a cap; 0 is none.
	RecipientSeq Seq
	// ByOwner is 1 when the mail was asked for in a browser that the account
	// knows, or after its password: those have a cap of their own.
	ByOwner   int64
	CreatedAt Time
	SentAt    Time
}

// Seq is a number from 1 on; 0 is "none" and is stored as NULL, of which a
// unique key takes any number.
type Seq int64

// Value implements driver.Valuer.
func (s Seq) Value() (driver.Value, error) {
	if s == 0 {
		return nil, nil
	}
	return int64(s), nil
}

// Scan implements sql.Scanner.
func (s *Seq) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*s = 0
		return nil
	case int64:
		*s = Seq(v)
		return nil
	}
	return fmt.Errorf("models: a number column holds a %T", src)
}

// TableName names the table for GORM.
func (OutboxMail) TableName() string { return "mail_outbox" }
