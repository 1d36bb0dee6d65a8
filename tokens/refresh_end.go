package tokens

import (
	"context"
	"errors"
	"strconv"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/ratelimit"
	"gatehouse/models"
)

// event is the audit row of a refresh. The generation is no secret: it tells
// an operator how far behind a repeated or stolen token was.
func (a attempt) event(action audit.Action, outcome audit.Outcome, reason string) audit.Event {
	e := audit.Event{
		Action: action, Outcome: outcome, Reason: reason,
		RequestID: a.by.RequestID, IP: a.by.Stored().IP, UserAgent: a.by.Stored().UserAgent,
		Detail: map[string]string{"family": a.token.family.String(), "generation": strconv.Itoa(int(a.token.generation))},
	}
	if a.row != nil {
		e.Actor, e.Subject, e.Session, e.ClientID = a.row.UserID, a.row.UserID, a.row.SessionID, a.row.ClientID
	}
	return e
}

// refuse changes nothing. Whoever still holds a token of a family that ended
// by a theft is told so: it may be the owner.
func (r *Refresh) refuse(ctx context.Context, a attempt) error {
	if err := r.audit.Record(ctx, a.event(audit.RefreshRefused, audit.Failure, a.why)); err != nil {
		return err
	}
	if a.why == "family_ended" && a.row.EndedWhy == whyReused {
		return ErrRefreshReused
	}
	return ErrInvalidGrant
}

// garbageAudits is how many audit rows per node tokens that are not ours may
// cause: enough to see an attack, too few to fill a disk.
var garbageAudits = ratelimit.Rule{N: 60, Per: time.Minute}

// refuseGarbage refuses what carries no tag of ours. No row is looked at.
func (r *Refresh) refuseGarbage(ctx context.Context, by Client) error {
	if ok, _ := r.garbage.Take("refresh garbage", garbageAudits, ""); !ok {
		return ErrInvalidGrant
	}
	by = by.Stored()
	err := r.audit.Record(ctx, audit.Event{
		Action: audit.RefreshRefused, Outcome: audit.Failure, Reason: "not_genuine",
		RequestID: by.RequestID, IP: by.IP, UserAgent: by.UserAgent,
	})
	if err != nil {
		return err
	}
	return ErrInvalidGrant
}

const endFamilySQL = `UPDATE refresh_families SET ended_at = ?, ended_why = ? WHERE id = ? AND ended_at IS NULL`

const endStolenSessionSQL = `UPDATE sessions SET ended_at = ?, ended_why = ? WHERE id = ? AND ended_at IS NULL`

// endStolen ends family and session because two parties hold their token (RFC
// 9700, section 4.14.2). The reaction commits before the error is returned;
// whoever finds that a rival reacted already returns the same error.
func (r *Refresh) endStolen(ctx context.Context, a attempt) error {
	event := a.event(audit.RefreshReused, audit.Failure, whyReused)
	err := r.ended.Write(ctx, func(tx *gorm.DB) error {
		at := models.At(a.now)
		res := tx.Exec(endFamilySQL, at, whyReused, a.row.ID)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		if err := tx.Exec(endStolenSessionSQL, at, whyReused, a.row.SessionID).Error; err != nil {
			return err
		}
		if err := r.ended.Append(tx, Entry{Kind: EntrySession, Target: a.row.SessionID.Bytes()}); err != nil {
			return err
		}
		if err := r.audit.Append(tx, event); err != nil || r.alarm == nil {
			return err
		}
		return r.alarm(tx, a.row.UserID, whyReused)
	})
	if err != nil {
		return err
	}
	return ErrRefreshReused
}

var errFuture = errors.New("tokens: a genuine refresh token of a generation that this database does not know: it went back in time")

// endForgotten ends one session that outlived a restore because its operator
// kept the sessions: it had gone on since the backup, and how is not known.
func (r *Refresh) endForgotten(ctx context.Context, a attempt, err error) error {
	if err != nil {
		return err
	}
	event := a.event(audit.SessionEnded, audit.Success, WhyRestored)
	err = r.ended.Write(ctx, func(tx *gorm.DB) error {
		at := models.At(a.now)
		res := tx.Exec(endFamilySQL, at, WhyRestored, a.row.ID)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		if err := tx.Exec(endStolenSessionSQL, at, WhyRestored, a.row.SessionID).Error; err != nil {
			return err
		}
		if err := r.ended.Append(tx, sidEntry(a.row.SessionID)); err != nil {
			return err
		}
		return r.audit.Append(tx, event)
	})
	if err != nil {
		return err
	}
	return ErrInvalidGrant
}

// fromTheFuture refuses a genuine token that cannot be of this database's past:
// its tag proves that we made it, so the database went back in time. Whoever
// presents it did nothing wrong.
func (r *Refresh) fromTheFuture(ctx context.Context, a attempt) error {
	if kept, err := r.ended.outlived(ctx, a.token.family); kept || err != nil {
		return r.endForgotten(ctx, a, err)
	}
	r.log.Error("a refresh token is ahead of the database, which may have gone back in time", "family", a.token.family.String())
	if err := r.audit.Record(ctx, a.event(audit.RefreshRefused, audit.Failure, "future_generation")); err != nil {
		return err
	}
	renewed, err := r.ended.Suspect(ctx, Evidence{Why: WhyRefresh, Log: a.log, holds: a.stillOfTheFuture})
	switch {
	case err != nil:
		return err
	case renewed:
		return ErrInvalidGrant
	}
	return apperr.NotNow(5*time.Second, errFuture)
}

// stillOfTheFuture looks at the family again, where the log is about to begin
// anew.
func (a attempt) stillOfTheFuture(tx *gorm.DB) (bool, error) {
	var rows []models.RefreshFamily
	err := tx.Raw("SELECT generation, cur_hash FROM refresh_families WHERE id = ?", a.token.family).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return false, err
	}
	l := line{generation: uint32(rows[0].Generation)}
	copy(l.hash[:], rows[0].CurHash)
	verdict, _ := l.judge(a.token.generation, a.token.hash, a.now, 0)
	return verdict == future, nil
}
