package mail

import (
	"context"
	"strings"
	"time"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// Letter is a mail that was queued: what it was for, and when.
type Letter struct {
	Purpose   string
	CreatedAt models.Time
}

// mostRecent bounds what Recent reads. Every cap is far below it.
const mostRecent = 500

// Recent lists the mails to one address since a moment, whichever node queued
// them, so that a cap counts in the database and not in the memory of one
// process. It reads an index by the keyed hash of the address.
func (m *Mailer) Recent(ctx context.Context, to string, since time.Time) ([]Letter, error) {
	list := []Letter{}
	err := m.DB.Read(ctx).Model(&models.OutboxMail{}).Select("purpose", "created_at").
		Where("recipient_key = ? AND created_at > ?", m.recipientKey(to), models.At(since)).
		Limit(mostRecent).Scan(&list).Error
	return list, database.Unavailable(err)
}

func (m *Mailer) recipientKey(to string) []byte {
	return m.Box.MAC("mail/recipient", []byte(strings.ToLower(to)))
}
