package mail

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

const (
	// keepSent and keepFailed are how long it is remembered that a mail was sent
	// or failed; keepBody is how long a failed one can be sent after all.
	keepSent   = 14 * 24 * time.Hour
	keepFailed = 30 * 24 * time.Hour
	keepBody   = 7 * 24 * time.Hour
	trimBatch  = 100
)

// Trim removes what nobody looks at any more: rows of mails that were sent or
// failed long ago, texts of failed ones, and the development inbox beyond its
// size.
func (m *Mailer) Trim(ctx context.Context) error {
	if err := m.trimNobody(ctx); err != nil {
		return err
	}
	if m.dev() {
		return m.trimInbox(ctx)
	}
	if err := m.expire(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		state string
		age   time.Duration
		keep  bool
	}{{sent, keepSent, false}, {failed, keepFailed, false}, {failed, keepBody, true}} {
		before := models.At(m.Clock().Add(-step.age))
		err := m.sweep(ctx, !step.keep, func(tx *gorm.DB) *gorm.DB {
			tx = tx.Where("state = ? AND created_at < ?", step.state, before)
			if step.keep {
				tx = tx.Where("body IS NOT NULL")
			}
			return tx
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expire fails the mails whose time was over before a server took them: while
// none does, only the first of the queue is tried. A claimed mail is left to
// its sender: its next time lies ahead.
func (m *Mailer) expire(ctx context.Context) error {
	for {
		now := m.Clock()
		over := func(tx *gorm.DB) *gorm.DB {
			return tx.Where("state = ? AND next_at <= ? AND give_up_at <= ?", queued, models.At(now), models.At(now))
		}
		var rows []models.OutboxMail
		if err := over(m.DB.Read(ctx)).Select("id").Limit(trimBatch).Find(&rows).Error; err != nil || len(rows) == 0 {
			return database.Unavailable(err)
		}
		var ended int64
		err := m.DB.Write(ctx, func(tx *gorm.DB) error {
			ended = 0
			for i := range rows {
				done := over(tx.Model(&models.OutboxMail{}).Where("id = ?", rows[i].ID)).
					UpdateColumns(map[string]any{"state": failed, "last_error": "its time was over before a server took it"})
				if done.Error != nil {
					return done.Error
				}
				ended += done.RowsAffected
			}
			return nil
		})
		if err != nil {
			return err
		}
		m.Log.Error("mail: given up, because no server took mail for so long", "mails", ended)
		for range ended {
			m.Metrics.Mail(failed)
		}
		if len(rows) < trimBatch {
			return nil
		}
	}
}

func (m *Mailer) trimInbox(ctx context.Context) error {
	var oldest []models.OutboxMail
	err := m.DB.Read(ctx).Select("id", "next_at").Where("state = ?", inbox).
		Order("next_at DESC, id DESC").Offset(inboxSize).Limit(1).Find(&oldest).Error
	if err != nil || len(oldest) == 0 {
		return database.Unavailable(err)
	}
	last := oldest[0]
	return m.sweep(ctx, true, func(tx *gorm.DB) *gorm.DB {
		return tx.Where("state = ? AND (next_at < ? OR (next_at = ? AND id <= ?))", inbox, last.NextAt, last.NextAt, last.ID)
	})
}

// sweep deletes the rows of a condition, or blanks their bodies, a bounded
// number at a time, so that no transaction holds others up.
func (m *Mailer) sweep(ctx context.Context, wholeRow bool, which func(*gorm.DB) *gorm.DB) error {
	for {
		var rows []models.OutboxMail
		if err := which(m.DB.Read(ctx)).Select("id").Limit(trimBatch).Find(&rows).Error; err != nil {
			return database.Unavailable(err)
		}
		err := m.DB.Write(ctx, func(tx *gorm.DB) error {
			for i := range rows {
				// The condition again: a failed mail may have been queued anew.
				one := which(tx.Where("id = ?", rows[i].ID))
				if wholeRow {
					one = one.Delete(&models.OutboxMail{})
				} else {
					one = one.Model(&models.OutboxMail{}).UpdateColumn("body", nil)
				}
				if one.Error != nil {
					return one.Error
				}
			}
			return nil
		})
		if err != nil || len(rows) < trimBatch {
			return err
		}
	}
}
