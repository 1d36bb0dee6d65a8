package mail

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"gatehouse/models"
)

const (
	// claimFor is longer than any conversation about one mail, so that a mail is
	// never taken over while its first sender may still be talking.
	claimFor    = sendTimeout + 30*time.Second
	firstDelay  = 30 * time.Second
	longestWait = time.Hour
	// giveUpAfter is how long a mail is tried: two days let a weekend's outage
	// pass (RFC 5321, section 4.5.4.1, asks for four or five of a relay; codes
	// and links are dead long before).
	giveUpAfter = 48 * time.Hour
)

// try is one attempt to send a mail and how it ended.
type try struct {
	row    *models.OutboxMail
	answer string
	told   bool
	err    error
}

// claim takes a mail for claimFor, and writes down the try before it. The
// affected row is the verdict; a node that dies with a claimed mail leaves it
// to whoever comes after that time.
func (w *worker) claim(ctx context.Context, row *models.OutboxMail) (bool, error) {
	until := models.At(w.Clock().Add(claimFor))
	change := w.outcome()
	var mine bool
	err := w.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := settle(tx, w.done, change); err != nil {
			return err
		}
		taken := tx.Model(&models.OutboxMail{}).
			Where("id = ? AND state = ? AND attempts = ? AND next_at = ?", row.ID, queued, row.Attempts, row.NextAt).
			UpdateColumns(map[string]any{"attempts": row.Attempts + 1, "next_at": until})
		mine = taken.RowsAffected == 1
		return taken.Error
	})
	if err != nil {
		return false, err
	}
	w.done = nil
	if mine {
		row.Attempts++
		row.NextAt = until
	}
	return mine, nil
}

// putOff counts a try for which there was no connection.
func (w *worker) putOff(ctx context.Context, row *models.OutboxMail, why error) error {
	mine, err := w.claim(ctx, row)
	if mine {
		w.done = &try{row: row, err: why}
	}
	return err
}

// record writes down the last try, if there is one.
func (w *worker) record(ctx context.Context) error {
	change := w.outcome()
	if change == nil {
		return nil
	}
	err := w.DB.Write(ctx, func(tx *gorm.DB) error { return settle(tx, w.done, change) })
	if err == nil {
		w.done = nil
	}
	return err
}

// settle changes the row of a try, unless somebody else has tried since.
func settle(tx *gorm.DB, t *try, change map[string]any) error {
	if t == nil {
		return nil
	}
	return tx.Model(&models.OutboxMail{}).
		Where("id = ? AND state = ? AND attempts = ?", t.row.ID, queued, t.row.Attempts).
		UpdateColumns(change).Error
}

// outcome is what the last try changes in its row, counted and logged once. The
// body of a mail that left goes at once, because nobody needs it; that of one
// that failed stays a while, so that the operator can send it after all.
func (w *worker) outcome() map[string]any {
	t := w.done
	if t == nil {
		return nil
	}
	now, refused := w.Clock(), refusal{}
	word, change := "retried", map[string]any{"answer": cut(t.answer)}
	switch {
	case t.err == nil:
		word = sent
		change["state"], change["body"], change["sent_at"], change["last_error"] = sent, nil, models.At(now), ""
	case errors.As(t.err, &refused), !now.Before(giveUp(t.row)):
		word = failed
		change["state"], change["last_error"] = failed, cut(t.err.Error())
	default:
		change["next_at"], change["last_error"] = models.At(now.Add(delay(t.row.Attempts))), cut(t.err.Error())
	}
	w.tell(t, word, refused.code)
	return change
}

// tell counts and logs a try, once.
func (w *worker) tell(t *try, word string, code int) {
	if t.told {
		return
	}
	t.told = true
	w.Metrics.Mail(word)
	fields := []any{"id", t.row.ID.String(), "purpose", t.row.Purpose, "attempts", t.row.Attempts, "smtp_code", code}
	switch word {
	case failed:
		w.Log.Error("mail: given up", fields...)
	case "retried":
		w.Log.Warn("mail: not sent, will be tried again", fields...)
	}
}

// giveUp is the end of the tries of a mail.
func giveUp(row *models.OutboxMail) time.Time {
	if row.GiveUpAt.IsZero() {
		return row.CreatedAt.Add(giveUpAfter)
	}
	return row.GiveUpAt.Time
}

// delay doubles from half a minute to an hour, with a quarter of chance, so
// that nodes and mails don't come back all at once.
func delay(attempts int64) time.Duration {
	d := firstDelay
	for ; attempts > 1 && d < longestWait; attempts-- {
		d *= 2
	}
	d = min(d, longestWait)
	return d + rand.N(d/4)
}

// cut fits a text into its column, without half a character at its end.
func cut(s string) string {
	const size = 512
	s = oneLine(s)
	if len(s) <= size {
		return s
	}
	end := size
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
