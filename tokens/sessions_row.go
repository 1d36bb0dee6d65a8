package tokens

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// sessionRow is a session joined with the admission of its user: one row, one
// statement, so that session, roles and epochs are of the same moment.
type sessionRow struct {
	models.Session
	AdmittedID   models.ID
	Enabled      bool
	Roles        models.Words
	TokenEpoch   int64
	CurrentEpoch int64
}

const sessionColumns = `s.id, s.cookie_hash, s.user_id, s.client_id, s.session_epoch, s.auth_time, s.acr, s.amr,
 s.ip, s.user_agent, s.created_at, s.last_seen_at, s.idle_until, s.absolute_until, s.ended_at, s.ended_why`

const findSessionSQL = `SELECT ` + sessionColumns + `, s.data,
 a.subject AS admitted_id, a.enabled, a.roles, a.token_epoch, a.session_epoch AS current_epoch
 FROM sessions s LEFT JOIN admissions a ON a.subject = s.user_id WHERE `

// findSession reads one session by a unique column; nil is none. The condition
// is a constant of this room, the value always a parameter. It is read on every
// signed-in page, so the columns are scanned one by one: GORM's reflection
// would cost as much again as the query.
func findSession(ctx context.Context, db *database.DB, condition string, value any) (*sessionRow, error) {
	row, err := scanSession(db.ReadRow(ctx, findSessionSQL+condition, value))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, database.Unavailable(err)
	}
	return row, nil
}

func scanSession(found *sql.Row) (*sessionRow, error) {
	var r sessionRow
	var enabled, tokenEpoch, currentEpoch sql.NullInt64 // NULL when the user is gone
	var roles sql.NullString
	err := found.Scan(
		&r.ID, &r.CookieHash, &r.UserID, &r.ClientID, &r.SessionEpoch, &r.AuthTime, &r.ACR, &r.AMR,
		&r.IP, &r.UserAgent, &r.CreatedAt, &r.LastSeenAt, &r.IdleUntil, &r.AbsoluteUntil, &r.EndedAt, &r.EndedWhy,
		&r.Data, &r.AdmittedID, &enabled, &roles, &tokenEpoch, &currentEpoch)
	r.Enabled, r.Roles = enabled.Int64 == 1, models.Words(roles.String)
	r.TokenEpoch, r.CurrentEpoch = tokenEpoch.Int64, currentEpoch.Int64
	return &r, err
}

// live reports whether the session may be used now: not ended, not past its
// ends, and of the user's current epoch. The epoch also ends the session whose
// sign-in raced with "end all" on another node and was not seen by it.
func (r *sessionRow) live(now time.Time) bool {
	if !r.EndedAt.IsZero() || !now.Before(r.IdleUntil.Time) || !now.Before(r.AbsoluteUntil.Time) {
		return false
	}
	if r.UserID.IsZero() {
		return true
	}
	return r.AdmittedID == r.UserID && r.SessionEpoch == r.CurrentEpoch
}

func (r *sessionRow) subject() Subject {
	return Subject{
		ID:           r.UserID,
		Enabled:      r.Enabled,
		Roles:        r.Roles,
		TokenEpoch:   r.TokenEpoch,
		SessionEpoch: r.CurrentEpoch,
		ClientID:     r.ClientID,
	}
}

func (r *sessionRow) grant() Grant {
	return Grant{
		Subject:   r.subject(),
		SessionID: r.ID,
		ClientID:  r.ClientID,
		AuthTime:  r.AuthTime.Time,
		ACR:       r.ACR,
		AMR:       r.AMR.List(),
		NotAfter:  r.AbsoluteUntil.Time,
	}
}
