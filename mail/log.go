package mail

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
)

// Entry is a mail as the operator sees it: who it went to and what became of
// it, never its text, which holds links and codes.
type Entry struct {
	ID        string     `json:"id"`
	To        string     `json:"to"`
	Purpose   string     `json:"purpose"`
	State     string     `json:"state"`
	Attempts  int64      `json:"attempts"`
	Locale    string     `json:"locale"`
	CreatedAt time.Time  `json:"created_at"`
	SentAt    *time.Time `json:"sent_at,omitempty"`
	// NextAt is the next try of a mail that waits.
	NextAt *time.Time `json:"next_at,omitempty"`
	// Answer is what the server said to the last try; LastError why it failed.
	Answer    string `json:"answer,omitempty"`
	LastError string `json:"last_error,omitempty"`
	// CanRetry is false once the text is gone.
	CanRetry bool `json:"can_retry"`
}

// States are the words by which the log can be asked.
func States() []string { return []string{queued, sent, failed} }

// MostListed bounds what List reads at once.
const MostListed = 1000

// List is the delivery log, newest first; state "" is all of them.
func (m *Mailer) List(ctx context.Context, state string, limit int) ([]Entry, error) {
	limit = min(max(limit, 1), MostListed)
	q := m.DB.Read(ctx).Where("state IN ?", States())
	if state != "" {
		q = m.DB.Read(ctx).Where("state = ?", state)
	}
	var rows []models.OutboxMail
	// Ids are made in the order of time (UUID v7).
	if err := q.Order("id DESC").Limit(limit).Find(&rows).Error; err != nil {
		return nil, database.Unavailable(err)
	}
	list := make([]Entry, len(rows))
	for i := range rows {
		list[i] = entry(&rows[i])
	}
	return list, nil
}

// Show is one mail of the log.
func (m *Mailer) Show(ctx context.Context, id models.ID) (Entry, error) {
	var rows []models.OutboxMail
	err := m.DB.Read(ctx).Where("id = ? AND state IN ?", id, States()).Limit(1).Find(&rows).Error
	if err != nil {
		return Entry{}, database.Unavailable(err)
	}
	if len(rows) == 0 {
		return Entry{}, apperr.New(apperr.NotFound, "not_found")
	}
	return entry(&rows[0]), nil
}

func entry(row *models.OutboxMail) Entry {
	e := Entry{
		ID: row.ID.String(), To: row.Recipient, Purpose: row.Purpose, State: row.State, Attempts: row.Attempts, Locale: row.Locale,
		CreatedAt: row.CreatedAt.Time, Answer: row.Answer, LastError: row.LastError, CanRetry: row.State == failed && len(row.Body) > 0,
	}
	if !row.SentAt.IsZero() {
		e.SentAt = &row.SentAt.Time
	}
	if row.State == queued {
		e.NextAt = &row.NextAt.Time
	}
	return e
}

// Retry queues a mail that failed once more, and tries it for as long as a new
// one. One that waits is not touched: it may be on its way this moment.
func (m *Mailer) Retry(ctx context.Context, id models.ID) (bool, error) {
	n, err := m.retry(ctx, func(tx *gorm.DB) *gorm.DB { return tx.Where("id = ?", id) })
	return n == 1, err
}

// RetryFailed is Retry for all that failed, in small transactions.
func (m *Mailer) RetryFailed(ctx context.Context) (int64, error) {
	var total int64
	for {
		var rows []models.OutboxMail
		err := m.DB.Read(ctx).Select("id").Where("state = ? AND body IS NOT NULL", failed).Limit(trimBatch).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return total, database.Unavailable(err)
		}
		ids := make([]models.ID, len(rows))
		for i := range rows {
			ids[i] = rows[i].ID
		}
		n, err := m.retry(ctx, func(tx *gorm.DB) *gorm.DB { return tx.Where("id IN ?", ids) })
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}

func (m *Mailer) retry(ctx context.Context, which func(*gorm.DB) *gorm.DB) (n int64, err error) {
	if m.transport == nil {
		return 0, errNotConfigured
	}
	now := m.Clock()
	err = m.DB.Write(ctx, func(tx *gorm.DB) error {
		done := which(tx.Model(&models.OutboxMail{})).Where("state = ? AND body IS NOT NULL", failed).
			UpdateColumns(map[string]any{"state": queued, "next_at": models.At(now), "give_up_at": models.At(now.Add(giveUpAfter))})
		n = done.RowsAffected
		return done.Error
	})
	return n, err
}
