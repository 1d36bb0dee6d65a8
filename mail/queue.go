package mail

import (
	"context"
	"time"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// Queue says how many mails wait and how long the oldest has waited.
func (m *Mailer) Queue(ctx context.Context) (length int64, age time.Duration, err error) {
	waiting := m.DB.Read(ctx).Model(&models.OutboxMail{}).Where("state = ?", queued)
	if err := waiting.Count(&length).Error; err != nil || length == 0 {
		return 0, 0, database.Unavailable(err)
	}
	var oldest []models.OutboxMail
	err = m.DB.Read(ctx).Select("created_at").Where("state = ?", queued).Order("created_at").Limit(1).Find(&oldest).Error
	if err != nil || len(oldest) == 0 {
		return length, 0, database.Unavailable(err)
	}
	return length, max(m.Clock().Sub(oldest[0].CreatedAt.Time), 0), nil
}

// count tells the metrics about the queue.
func (m *Mailer) count(ctx context.Context) error {
	if m.transport == nil {
		return nil
	}
	n, age, err := m.Queue(ctx)
	if err == nil {
		m.Metrics.MailQueue(n, age)
	}
	return err
}
