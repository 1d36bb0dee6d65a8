package mail

import (
	"context"
	"errors"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
)

// Letter is a mail that was queued: what it was for, and when.
type Letter struct {
	Purpose   string
	CreatedAt models.Time
}

const (
	// mostRecent bounds what Recent reads. Every cap is far below it.
	mostRecent = 500
	// mostAtOnce bounds how often a mail is counted anew because another one to
	// the same address came first. Every round somebody wins.
	mostAtOnce = 100
)

// Past is what an address was sent lately.
type Past struct {
	Letters []Letter
	since   time.Time
	byOwner bool
	last    models.Seq
}

// Allowance lets a mail leave only while its cap is not reached, whoever else
// writes to the same address at the same moment on whatever node.
//
// Every mail with an allowance takes the number after the newest one that was
// counted, and the table takes each number of an address once (a unique key).
// So a mail is inserted only if nobody has come between the count and it;
// otherwise it is counted again. Counting and inserting need no lock, and the
// usual case is still one INSERT.
type Allowance struct {
	past  Past
	allow func([]Letter) bool
}

// Allowance keeps to a rule over what the address has got.
func (p Past) Allowance(rule func([]Letter) bool) *Allowance { return &Allowance{p, rule} }

// Recent lists the mails to one address since a moment, whichever node queued
// them, so that a cap counts in the database and not in the memory of one
// process. It reads an index by the keyed hash of the address. It lists either
// those that the owner asked for in a known browser or all others, so that
// strangers use up nothing of the owner's.
func (m *Mailer) Recent(ctx context.Context, to string, since time.Time, byOwner bool) (Past, error) {
	p := Past{since: since, byOwner: byOwner}
	err := p.read(m.DB.Read(ctx), m.recipientKey(to))
	return p, database.Unavailable(err)
}

// read reads the newest number before the mails, so that a mail which comes
// between the two is counted and its number is taken all the same. The numbers
// are of all mails to the address.
func (p *Past) read(db *gorm.DB, key []byte) error {
	var newest []models.OutboxMail
	err := db.Select("recipient_seq").Where("recipient_key = ? AND recipient_seq IS NOT NULL", key).
		Order("recipient_seq DESC").Limit(1).Find(&newest).Error
	if err != nil {
		return err
	}
	if len(newest) > 0 {
		p.last = newest[0].RecipientSeq
	}
	p.Letters = []Letter{}
	return db.Model(&models.OutboxMail{}).Select("purpose", "created_at").
		Where("recipient_key = ? AND created_at > ? AND by_owner = ?", key, models.At(p.since), p.byOwner).
		Limit(mostRecent).Scan(&p.Letters).Error
}

// ErrCap says that nothing was written because the cap was reached between the
// count and the mail.
var ErrCap = errors.New("mail: the cap of this address is reached")

// insert writes a row, or nothing when its cap was reached meanwhile.
func insert(tx *gorm.DB, row *models.OutboxMail, a *Allowance) error {
	if a == nil {
		return tx.Create(row).Error
	}
	p := a.past
	for range mostAtOnce {
		row.RecipientSeq = p.last + 1
		// Only the statement is undone by a number that is taken, not the
		// transaction, on both databases.
		err := tx.Create(row).Error
		if !errors.Is(err, gorm.ErrDuplicatedKey) {
			return err
		}
		if err = p.read(tx, row.RecipientKey); err != nil {
			return err
		}
		if !a.allow(p.Letters) {
			return ErrCap
		}
	}
	return apperr.NotNow(time.Second, errCrowd)
}

var errCrowd = errors.New("mail: too many mails to one address at once")

func (m *Mailer) recipientKey(to string) []byte {
	return m.Box.MAC("mail/recipient", []byte(strings.ToLower(to)))
}
