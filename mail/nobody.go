package mail

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/models"
)

// nobody is the state of a row that was written for an account that is not
// there. It is never sent and never shown.
const nobody = "nobody"

// EnqueueNobody does all that Enqueue does for a letter that nobody gets: it is
// composed, sealed and inserted by the same statement, so that the time of an
// answer does not tell whether there is an account behind a name (security rule
// 14). The row counts for the caps like a real one and holds no address.
func (m *Mailer) EnqueueNobody(tx *gorm.DB, msg Message) error {
	if !m.Configured() {
		return errNotConfigured
	}
	row, err := m.row(msg)
	if err != nil {
		return err
	}
	row.State, row.Recipient = nobody, ""
	return insert(tx, &row, msg.Allowance)
}

// nobodyFor is longer than the day for which letters to one address are counted.
const nobodyFor = 25 * time.Hour

// trimNobody removes the rows that only the caps needed.
func (m *Mailer) trimNobody(ctx context.Context) error {
	return m.sweep(ctx, true, func(tx *gorm.DB) *gorm.DB {
		return tx.Where("state = ? AND next_at < ?", nobody, models.At(m.Clock().Add(-nobodyFor)))
	})
}
