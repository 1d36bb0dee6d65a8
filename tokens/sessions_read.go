package tokens

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// ByCookie finds the live session of a cookie, or nil: unknown, ended, past
// its idle or absolute end, of an older epoch, or of a subject whom the
// chokepoint refuses now. It is one indexed read; once a minute a session in
// use is also written.
func (s *Sessions) ByCookie(ctx context.Context, cookie string) (*Session, error) {
	hash, ok := cookieHash(cookie)
	if !ok {
		return nil, nil
	}
	row, err := findSession(ctx, s.deps.DB, "s.cookie_hash = ?", hash)
	if err != nil || row == nil {
		return nil, err
	}
	now := s.deps.Clock()
	if !row.live(now) {
		return nil, nil
	}
	session := &Session{Session: row.Session}
	if session.SignedIn() {
		session.Subject = row.subject()
		if !s.deps.Admit(ctx, session.Subject).OK {
			return nil, nil
		}
	}
	session.Data = s.open(row.ID, row.Data)
	s.touch(ctx, session, models.At(now))
	return session, nil
}

// touch writes that the session is in use and moves its idle end. The
// condition on the old value lets one of many parallel requests write. A
// failure is no reason to refuse the page: the session is live without it.
func (s *Sessions) touch(ctx context.Context, session *Session, now models.Time) (written bool) {
	idle := anonymousIdle
	if session.SignedIn() {
		idle = s.deps.Config.SessionIdleTTL
	}
	if now.Sub(session.LastSeenAt.Time) < touchInterval(idle) {
		return false
	}
	until := earlier(models.At(now.Add(idle)), session.AbsoluteUntil)
	rows, err := s.deps.DB.Exec(ctx, `UPDATE sessions SET last_seen_at = ?, idle_until = ?
 WHERE id = ? AND last_seen_at = ? AND ended_at IS NULL`, now, until, session.ID, session.LastSeenAt)
	if err != nil {
		s.deps.Log.WarnContext(ctx, "a session's last use was not written", slog.Any("error", err))
		return false
	}
	if rows == 1 {
		session.LastSeenAt, session.IdleUntil = now, until
	}
	return rows == 1
}

// touchInterval is a minute, and less where the idle end is so near that a
// session in use would die between two writes.
func touchInterval(idle time.Duration) time.Duration { return min(touchEvery, idle/10) }

// SaveData stores data in a live session that still has this cookie. A session
// that ended meanwhile is refused, so that a slow request cannot bring it back
// (security rule 9). Empty data is sealed as well: the fresh nonce makes every
// save change the column, and MySQL counts changed rows only.
func (s *Sessions) SaveData(ctx context.Context, id models.ID, cookieHash, data []byte) error {
	if len(data) > maxData {
		return ErrDataTooLarge
	}
	if id.IsZero() || len(cookieHash) == 0 {
		return ErrNoSession
	}
	sealed := s.deps.Box.Seal("sessions", "data", id.Bytes(), data)
	now := models.At(s.deps.Clock())
	rows, err := s.deps.DB.Exec(ctx, `UPDATE sessions SET data = ? WHERE id = ? AND cookie_hash = ?
 AND ended_at IS NULL AND idle_until > ? AND absolute_until > ?`, sealed, id, cookieHash, now, now)
	if err == nil && rows == 0 {
		err = ErrNoSession
	}
	return err
}

// Discard deletes an anonymous session that nobody needs any more. A signed-in
// one is left alone: only End ends it, with everything that hangs on it.
func (s *Sessions) Discard(ctx context.Context, id models.ID, cookieHash []byte) error {
	if id.IsZero() || len(cookieHash) == 0 {
		return nil
	}
	_, err := s.deps.DB.Exec(ctx,
		`DELETE FROM sessions WHERE id = ? AND cookie_hash = ? AND user_id IS NULL`, id, cookieHash)
	return err
}

// ByID reads the live session of a person; ErrNoSession when there is none.
func (s *Sessions) ByID(ctx context.Context, id models.ID) (*models.Session, error) {
	if id.IsZero() {
		return nil, ErrNoSession
	}
	row, err := findSession(ctx, s.deps.DB, "s.id = ?", id)
	if err != nil {
		return nil, err
	}
	if row == nil || row.UserID.IsZero() || !row.live(s.deps.Clock()) {
		return nil, ErrNoSession
	}
	return &row.Session, nil
}

// maxListed bounds the list of one person's sessions.
const maxListed = 200

// A program's session is live while its refresh family is; a session without a
// family is its own measure.
const listSessionsSQL = `SELECT ` + sessionColumns + `
 FROM sessions s JOIN admissions a ON a.subject = s.user_id AND a.session_epoch = s.session_epoch
 WHERE s.user_id = ? AND s.ended_at IS NULL AND s.idle_until > ? AND s.absolute_until > ?
 AND NOT EXISTS (SELECT 1 FROM refresh_families f WHERE f.session_id = s.id AND f.ended_at IS NULL AND f.idle_until <= ?)
 ORDER BY s.last_seen_at DESC, s.id DESC LIMIT ?`

// List returns the live sessions of a person's current epoch, the last seen
// first, without their data.
func (s *Sessions) List(ctx context.Context, user models.ID) ([]models.Session, error) {
	now := models.At(s.deps.Clock())
	list := []models.Session{}
	err := s.deps.DB.Read(ctx).Raw(listSessionsSQL, user, now, now, now, maxListed).Scan(&list).Error
	return list, database.Unavailable(err)
}
