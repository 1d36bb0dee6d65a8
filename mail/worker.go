package mail

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// The rhythm of the worker.
const (
	pollEvery   = time.Second      // how soon a mail leaves
	pauseFor    = 15 * time.Second // after the server itself failed
	trimEvery   = time.Minute
	perRound    = 50
	claimFor    = 5 * time.Minute // longer than any conversation about one mail
	firstDelay  = 30 * time.Second
	longestWait = time.Hour
	// giveUpAfter is how long a mail is tried: two days let a weekend's outage
	// pass (RFC 5321, section 4.5.4.1, asks for four or five of a relay; codes
	// and links are dead long before).
	giveUpAfter = 48 * time.Hour
	// keepFor is how long it is remembered that a mail was sent or failed.
	keepFor   = 30 * 24 * time.Hour
	trimBatch = 100
)

// Run sends what is due until ctx ends, and trims old rows. Any number of nodes
// may run it: a conditional UPDATE decides who sends a mail.
func (m *Mailer) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for trimAt := m.Clock(); ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait := pollEvery + rand.N(pollEvery/4)
		if _, err := m.Deliver(ctx); errors.Is(err, errServer) {
			wait = pauseFor + rand.N(pauseFor/4)
		} else if err != nil && ctx.Err() == nil {
			m.Log.Warn("mail: the outbox can't be read", "error", err)
		}
		if now := m.Clock(); !now.Before(trimAt) {
			trimAt = now.Add(trimEvery)
			if err := m.Trim(ctx); err != nil && ctx.Err() == nil {
				m.Log.Warn("mail: old rows can't be removed", "error", err)
			}
		}
		timer.Reset(wait)
	}
}

// Deliver sends the mails that are due and says how many left. It stops at the
// first fault of the server: the others would only meet the same.
func (m *Mailer) Deliver(ctx context.Context) (int, error) {
	if m.transport == nil {
		return 0, nil
	}
	var due []models.OutboxMail
	err := m.DB.Read(ctx).Where("state = ? AND next_at <= ?", queued, models.At(m.Clock())).
		Order("next_at").Limit(perRound).Find(&due).Error
	if err != nil {
		return 0, database.Unavailable(err)
	}
	talk := &conversation{transport: m.transport}
	defer talk.close()
	left := 0
	for i := range due {
		if ctx.Err() != nil {
			return left, nil // stopping: what is not claimed waits for the next start
		}
		done, err := m.deliver(ctx, talk, &due[i])
		if err != nil {
			return left, err
		}
		if done {
			left++
		}
	}
	return left, nil
}

// deliver claims one mail, sends it and writes down how it ended.
func (m *Mailer) deliver(ctx context.Context, talk *conversation, row *models.OutboxMail) (bool, error) {
	mine, err := m.claim(ctx, row)
	if err != nil || !mine {
		return false, err
	}
	sendErr := m.send(ctx, talk, row)
	// The mail may have left although the program is being stopped: that has to
	// be written down, or it would be sent again.
	if err := m.settle(context.WithoutCancel(ctx), row, sendErr); err != nil {
		return false, err
	}
	if errors.Is(sendErr, errServer) {
		return false, sendErr
	}
	return sendErr == nil, nil
}

// claim takes a mail for claimFor. The affected row is the verdict; a node that
// dies with a claimed mail leaves it to whoever comes after that time.
func (m *Mailer) claim(ctx context.Context, row *models.OutboxMail) (bool, error) {
	until := models.At(m.Clock().Add(claimFor))
	var mine bool
	err := m.DB.Write(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&models.OutboxMail{}).
			Where("id = ? AND state = ? AND attempts = ? AND next_at = ?", row.ID, queued, row.Attempts, row.NextAt).
			UpdateColumns(map[string]any{"attempts": row.Attempts + 1, "next_at": until})
		mine = done.RowsAffected == 1
		return done.Error
	})
	if err == nil && mine {
		row.Attempts++
		row.NextAt = until
	}
	return mine, err
}

func (m *Mailer) send(ctx context.Context, talk *conversation, row *models.OutboxMail) error {
	c, err := m.open(row)
	if err != nil {
		return refusal{} // it can't be read any more and never will be
	}
	msg, err := m.transport.message(row, c, m.Clock())
	if err != nil {
		return refusal{}
	}
	ctx, cancel := context.WithTimeout(ctx, claimFor/2)
	defer cancel()
	return talk.send(ctx, msg)
}

// settle writes down how a try ended. The body goes as soon as nobody needs it.
func (m *Mailer) settle(ctx context.Context, row *models.OutboxMail, sendErr error) error {
	now := m.Clock()
	change := map[string]any{}
	var refused refusal
	switch {
	case sendErr == nil:
		change["state"], change["body"], change["sent_at"], change["last_error"] = sent, nil, models.At(now), ""
		m.Metrics.Mail(sent)
	case errors.As(sendErr, &refused), now.Sub(row.CreatedAt.Time) >= giveUpAfter:
		change["state"], change["body"], change["last_error"] = failed, nil, cut(sendErr.Error())
		m.Metrics.Mail(failed)
		m.Log.Error("mail: given up", "id", row.ID.String(), "purpose", row.Purpose, "attempts", row.Attempts, "smtp_code", refused.code)
	default:
		change["next_at"], change["last_error"] = models.At(now.Add(delay(row.Attempts))), cut(sendErr.Error())
		m.Metrics.Mail("retried")
		m.Log.Warn("mail: not sent, will be tried again", "id", row.ID.String(), "purpose", row.Purpose, "attempts", row.Attempts)
	}
	return m.DB.Write(ctx, func(tx *gorm.DB) error {
		return tx.Model(&models.OutboxMail{}).
			Where("id = ? AND state = ? AND attempts = ?", row.ID, queued, row.Attempts).
			UpdateColumns(change).Error
	})
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

// cut fits an error into its column, without half a character at its end.
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

// Trim removes what nobody looks at any more: sent and failed rows after a
// month, and the development inbox beyond its size.
func (m *Mailer) Trim(ctx context.Context) error {
	if err := m.trimNobody(ctx); err != nil {
		return err
	}
	if m.dev() {
		return m.trimInbox(ctx)
	}
	return m.remove(ctx, func(tx *gorm.DB) *gorm.DB {
		return tx.Where("state IN ? AND created_at < ?", []string{sent, failed}, models.At(m.Clock().Add(-keepFor)))
	})
}

func (m *Mailer) trimInbox(ctx context.Context) error {
	var oldest []models.OutboxMail
	err := m.DB.Read(ctx).Select("id", "next_at").Where("state = ?", inbox).
		Order("next_at DESC, id DESC").Offset(inboxSize).Limit(1).Find(&oldest).Error
	if err != nil || len(oldest) == 0 {
		return database.Unavailable(err)
	}
	last := oldest[0]
	return m.remove(ctx, func(tx *gorm.DB) *gorm.DB {
		return tx.Where("state = ? AND (next_at < ? OR (next_at = ? AND id <= ?))", inbox, last.NextAt, last.NextAt, last.ID)
	})
}

// remove deletes the rows of a condition, a bounded number at a time, so that
// no transaction holds others up.
func (m *Mailer) remove(ctx context.Context, which func(*gorm.DB) *gorm.DB) error {
	for {
		var rows []models.OutboxMail
		if err := which(m.DB.Read(ctx)).Select("id").Limit(trimBatch).Find(&rows).Error; err != nil {
			return database.Unavailable(err)
		}
		err := m.DB.Write(ctx, func(tx *gorm.DB) error {
			for i := range rows {
				if err := tx.Where("id = ?", rows[i].ID).Delete(&models.OutboxMail{}).Error; err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(rows) < trimBatch {
			return err
		}
	}
}
