package mail

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// Each hands over what is remembered of the mails to one address since a
// moment, without their texts.
func (m *Mailer) Each(ctx context.Context, to string, since time.Time, yield func(*models.OutboxMail) error) error {
	key := m.recipientKey(to)
	return database.Each(ctx, m.DB, func(tx *gorm.DB) *gorm.DB {
		return tx.Select("id", "purpose", "locale", "state", "created_at", "sent_at").
			Where("recipient_key = ? AND created_at >= ? AND state <> ?", key, models.At(since), nobody)
	}, func(r *models.OutboxMail) models.ID { return r.ID }, yield)
}
