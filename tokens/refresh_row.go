package tokens

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// familyRow is a family with its session and the admission of its user, read
// in one statement, so that roles and epochs are of the same moment.
type familyRow struct {
	models.RefreshFamily
	AuthTime       models.Time
	ACR            string
	AMR            models.Words
	LastSeenAt     models.Time
	SessionEpoch   int64
	SessionUntil   models.Time
	SessionEndedAt models.Time
	AdmittedID     models.ID
	Enabled        bool
	Roles          models.Words
	TokenEpoch     int64
	CurrentEpoch   int64
	person         any // what Beside wants to know
}

const familyColumns = `SELECT f.id, f.session_id, f.user_id, f.client_id, f.scope, f.generation, f.cur_hash, f.recent,
 f.idle_until, f.absolute_until, f.ended_at, f.ended_why, s.auth_time, s.acr, s.amr, s.last_seen_at, s.session_epoch,
 s.absolute_until, s.ended_at,
 a.subject, COALESCE(a.enabled, 0), COALESCE(a.roles, ''), COALESCE(a.token_epoch, 0), COALESCE(a.session_epoch, 0)`

const familyJoin = ` FROM refresh_families f JOIN sessions s ON s.id = f.session_id LEFT JOIN admissions a ON a.subject = f.user_id
`

// findFamily is the statement that reads a family and what b wants besides.
func findFamily(b Beside) string {
	if b.Columns == "" {
		return familyColumns + familyJoin + " WHERE f.id = ?"
	}
	return familyColumns + ", " + b.Columns + familyJoin + " LEFT JOIN users u ON u.id = f.user_id WHERE f.id = ?"
}

// fields are where the columns of familyColumns go, in their order. Naming them
// spares reflection over the struct on the one statement of every refresh.
func (f *familyRow) fields() []any {
	return []any{
		&f.ID, &f.SessionID, &f.UserID, &f.ClientID, &f.Scope, &f.Generation, &f.CurHash, &f.Recent,
		&f.IdleUntil, &f.AbsoluteUntil, &f.EndedAt, &f.EndedWhy, &f.AuthTime, &f.ACR, &f.AMR, &f.LastSeenAt, &f.SessionEpoch,
		&f.SessionUntil, &f.SessionEndedAt,
		&f.AdmittedID, &f.Enabled, &f.Roles, &f.TokenEpoch, &f.CurrentEpoch,
	}
}

// find reads a family; nil is none. A causal read shows everything that any
// node has acknowledged before, as every read on SQLite does.
func (r *Refresh) find(ctx context.Context, id models.ID, causal bool) (*familyRow, error) {
	var row familyRow
	var err error
	fields := row.fields()
	if r.beside.New != nil {
		var more []any
		row.person, more = r.beside.New()
		fields = append(fields, more...)
	}
	if causal && r.db.Dialect() != database.SQLite {
		err = r.db.CausalRead(ctx, func(tx *gorm.DB) error { return tx.Raw(r.findSQL, id).Row().Scan(fields...) })
	} else {
		err = database.Unavailable(r.db.ReadRow(ctx, r.findSQL, id).Scan(fields...))
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &row, err
}

// ended says why the family cannot go on; "" is that it can. The absolute end
// of the session counts, its idle end does not: the family has its own.
func (f *familyRow) ended(now time.Time) string {
	switch {
	case !f.EndedAt.IsZero():
		return "family_ended"
	case !f.SessionEndedAt.IsZero(), f.SessionEpoch != f.CurrentEpoch, f.AdmittedID != f.UserID:
		return "session_ended"
	case !now.Before(f.AbsoluteUntil.Time), !now.Before(f.SessionUntil.Time):
		return "absolute_end"
	case !now.Before(f.IdleUntil.Time):
		return "idle_end"
	}
	return ""
}

func (f *familyRow) line() (line, error) {
	recent, err := decodeRecent(f.Recent)
	l := line{generation: uint32(f.Generation), recent: recent}
	copy(l.hash[:], f.CurHash)
	return l, err
}

func (f *familyRow) subject() Subject {
	return Subject{
		ID: f.UserID, Enabled: f.Enabled, Roles: f.Roles,
		TokenEpoch: f.TokenEpoch, SessionEpoch: f.CurrentEpoch, ClientID: f.ClientID,
	}
}

func (f *familyRow) grant() Grant {
	return Grant{
		Subject: f.subject(), SessionID: f.SessionID, ClientID: f.ClientID, Scope: f.Scope.List(),
		AuthTime: f.AuthTime.Time, ACR: f.ACR, AMR: f.AMR.List(), NotAfter: f.SessionUntil.Time,
	}
}

// expires is when the family ends if it is not used after now.
func (r *Refresh) expires(now, absolute time.Time) models.Time {
	if idle := now.Add(r.config.RefreshIdleTTL); idle.Before(absolute) {
		return models.At(idle)
	}
	return models.At(absolute)
}

// exchange is one rotation, worked out before its transaction.
type exchange struct {
	next     refreshToken
	recent   []byte
	idle     models.Time
	now      models.Time
	touchDue bool
}

func (r *Refresh) exchange(f *familyRow, t refreshToken, l line, now time.Time) exchange {
	u := used{generation: t.generation, hash: t.hash, at: now}
	copy(u.salt[:], secrets.Random(refreshSalt))
	return exchange{
		next:     r.key().successor(t, u.salt[:]),
		recent:   encodeRecent(append(l.within(now, r.config.RetryWindow), u)),
		idle:     r.expires(now, f.AbsoluteUntil.Time),
		now:      models.At(now),
		touchDue: now.Sub(f.LastSeenAt.Time) >= touchEvery,
	}
}

// The condition is the whole lock: one of any number of rivals changes the row.
const rotateSQL = `UPDATE refresh_families SET generation = generation + 1, cur_hash = ?, recent = ?, idle_until = ?
 WHERE id = ? AND generation = ? AND cur_hash = ? AND ended_at IS NULL`

const touchSQL = `UPDATE sessions SET last_seen_at = ? WHERE id = ? AND last_seen_at < ? AND ended_at IS NULL`

// write changes the row of the family if it still is as it was read.
func (x exchange) write(tx *gorm.DB, f *familyRow, t refreshToken) (won bool, err error) {
	rows, err := database.Exec(tx, rotateSQL, x.next.hash[:], x.recent, x.idle, f.ID, t.generation, t.hash[:])
	if err != nil || rows != 1 {
		return false, err
	}
	if x.touchDue {
		err = tx.Exec(touchSQL, x.now, f.SessionID, x.now).Error
	}
	return true, err
}
