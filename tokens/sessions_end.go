package tokens

import (
	"context"
	"strconv"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/models"
)

// Why a session ended, as the row and the audit record keep it.
const (
	WhySignOut  = "signed_out"
	WhyEnded    = "ended_by_owner"
	WhyOthers   = "others_ended"
	WhyReplaced = "replaced"
)

func sidEntry(id models.ID) Entry { return Entry{Kind: EntrySession, Target: id.Bytes()} }

func subEntry(user models.ID, epoch int64) Entry {
	return Entry{Kind: EntrySubject, Target: user.Bytes(), Epoch: epoch}
}

// ending is one session that ends, and on whose word.
type ending struct {
	user, id models.ID
	why      string
	action   audit.Action
	by       Client
}

// End ends one session of a person with its refresh family and its access
// tokens, in one transaction. The session of another person looks like one
// that is not there: false.
func (s *Sessions) End(ctx context.Context, user, id models.ID, why string, by Client) (bool, error) {
	if why == "" {
		why = WhyEnded
	}
	return s.end(ctx, ending{user, id, why, audit.SessionEnded, by})
}

// EndCurrent is the sign-out: the same end under its own name in the record.
func (s *Sessions) EndCurrent(ctx context.Context, user, id models.ID, by Client) (bool, error) {
	return s.end(ctx, ending{user, id, WhySignOut, audit.SignOut, by})
}

func (s *Sessions) end(ctx context.Context, e ending) (ended bool, err error) {
	if e.user.IsZero() || e.id.IsZero() {
		return false, nil
	}
	err = s.log.Write(ctx, func(tx *gorm.DB) (err error) {
		ended, err = s.endOne(tx, e)
		return err
	})
	return ended && err == nil, err
}

// endOne writes the rows that issuing writes too, the session's and the
// family's, so that an end and a refresh cannot both succeed
// (the row count of the first decides who ended it).
func (s *Sessions) endOne(tx *gorm.DB, e ending) (bool, error) {
	now := models.At(s.deps.Clock())
	res := tx.Exec(`UPDATE sessions SET ended_at = ?, ended_why = ?, data = NULL
 WHERE id = ? AND user_id = ? AND ended_at IS NULL`, now, e.why, e.id, e.user)
	if res.Error != nil || res.RowsAffected == 0 {
		return false, res.Error
	}
	err := tx.Exec(`UPDATE refresh_families SET ended_at = ?, ended_why = ?
 WHERE session_id = ? AND ended_at IS NULL`, now, e.why, e.id).Error
	if err != nil {
		return false, err
	}
	if err := s.log.Append(tx, sidEntry(e.id)); err != nil {
		return false, err
	}
	event := e.by.event(e.action, e.user, e.id)
	event.Reason = e.why
	return true, s.deps.Audit.Append(tx, event)
}

// EndOthers ends every session of a person but the one they are in, and
// answers how many live ones there were.
func (s *Sessions) EndOthers(ctx context.Context, user, keep models.ID, by Client) (live int, err error) {
	if user.IsZero() {
		return 0, nil
	}
	err = s.log.Write(ctx, func(tx *gorm.DB) (err error) {
		live, err = s.endOthers(tx, user, keep, by)
		return err
	})
	if err != nil {
		return 0, err
	}
	return live, nil
}

// EndOthersIn is EndOthers in the transaction of its cause, which is one of
// Log.Write.
func (s *Sessions) EndOthersIn(tx *gorm.DB, user, keep models.ID, by Client) (live int, err error) {
	return s.endOthers(tx, user, keep, by)
}

func (s *Sessions) endOthers(tx *gorm.DB, user, keep models.ID, by Client) (int, error) {
	now := models.At(s.deps.Clock())
	ended, err := endAll(tx, user, keep, WhyOthers, now)
	if err != nil || ended == 0 {
		return 0, err
	}
	live, entries, err := s.justEnded(tx, user, keep, now)
	if err != nil {
		return 0, err
	}
	if err := s.log.Append(tx, entries...); err != nil {
		return 0, err
	}
	event := by.event(audit.SessionsEnded, user, keep)
	event.Reason = WhyOthers
	event.Detail = map[string]string{"sessions": strconv.Itoa(live)}
	return live, s.deps.Audit.Append(tx, event)
}

// endAll ends the sessions and families of a person in two set-wise
// statements; keep stays, the zero id keeps none. The families go by their own
// user_id, so that one whose session row is gone ends as well.
func endAll(tx *gorm.DB, user, keep models.ID, why string, now models.Time) (int64, error) {
	res := tx.Exec(`UPDATE sessions SET ended_at = ?, ended_why = ?, data = NULL
 WHERE user_id = ? AND id <> ? AND ended_at IS NULL`, now, why, user, keep.Bytes())
	if res.Error != nil {
		return 0, res.Error
	}
	err := tx.Exec(`UPDATE refresh_families SET ended_at = ?, ended_why = ?
 WHERE user_id = ? AND session_id <> ? AND ended_at IS NULL`, now, why, user, keep.Bytes()).Error
	return res.RowsAffected, err
}

// tokenMemory is longer than any access token lives: a session that was dead
// for this long has none left.
const tokenMemory = 24 * time.Hour

// justEnded reads back what EndOthers ended at this moment: after the UPDATE, so
// that it sees the very rows that the UPDATE saw and no session slips between
// a reading and a writing. Only sessions that may still have live access
// tokens get an entry in the log.
func (s *Sessions) justEnded(tx *gorm.DB, user, keep models.ID, now models.Time) (int, []Entry, error) {
	var rows []models.Session
	since := models.At(now.Add(-max(tokenMemory, s.deps.Config.AccessTTL)))
	err := tx.Raw(`SELECT id, idle_until, absolute_until FROM sessions
 WHERE user_id = ? AND id <> ? AND ended_at = ? AND ended_why = ? AND idle_until > ?`,
		user, keep.Bytes(), now, WhyOthers, since).Scan(&rows).Error
	if err != nil {
		return 0, nil, err
	}
	live, entries := 0, make([]Entry, 0, len(rows))
	for _, row := range rows {
		entries = append(entries, sidEntry(row.ID))
		if now.Before(row.IdleUntil.Time) && now.Before(row.AbsoluteUntil.Time) {
			live++
		}
	}
	return live, entries, nil
}

// EndUser ends every session of a person within the transaction of its cause:
// two set-wise statements and ONE entry in the log, however many sessions
// there are. The caller counts both epochs of the user's row up BEFORE it calls
// this, in the same transaction: a sign-in and a refresh that raced then carry
// the old ones and are dead on arrival.
//
// keep stays signed in (the one that changed the password); it is carried over
// to the new session epoch, but its access tokens end like all others and are
// made anew.
func (s *Sessions) EndUser(tx *gorm.DB, user models.ID, newTokenEpoch int64, why string, keep models.ID) error {
	ended, err := endAll(tx, user, keep, why, models.At(s.deps.Clock()))
	if err != nil {
		return err
	}
	if err := carryOver(tx, user, keep); err != nil {
		return err
	}
	if err := s.log.Append(tx, subEntry(user, newTokenEpoch)); err != nil || ended == 0 {
		return err
	}
	event := Client{}.event(audit.SessionsEnded, user, keep)
	event.Reason = why
	event.Detail = map[string]string{"sessions": strconv.FormatInt(ended, 10)}
	return s.deps.Audit.Append(tx, event)
}

// carryOver moves the kept session to the user's new epoch, if it was of the
// epoch just before: an older one was ended by somebody else and stays dead.
func carryOver(tx *gorm.DB, user, keep models.ID) error {
	if keep.IsZero() {
		return nil
	}
	return tx.Exec(`UPDATE sessions SET session_epoch = (SELECT session_epoch FROM admissions WHERE subject = ?)
 WHERE id = ? AND user_id = ? AND ended_at IS NULL
 AND session_epoch = (SELECT session_epoch FROM admissions WHERE subject = ?) - 1`, user, keep, user, user).Error
}
