package tokens

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// All tunables of sessions that are not settings.
const (
	cookiePrefix = "gh_ws_"

	// An anonymous row is a place for a flash message or a half-finished form;
	// strangers can make them, so they go soon.
	anonymousIdle     = time.Hour
	anonymousAbsolute = 24 * time.Hour

	// touchEvery is how often a session in use is written at most.
	touchEvery = time.Minute

	// maxData caps the data of one session, before sealing.
	maxData = 16 << 10
)

// ErrDataTooLarge is the answer for session data over the cap.
var ErrDataTooLarge = apperr.New(apperr.TooLarge, "session_data_too_large")

// Session is a live session with the subject it belongs to. Data is in the
// clear here; the database holds it sealed.
type Session struct {
	models.Session
	Subject Subject
}

// SignedIn reports whether the session belongs to a person.
func (s *Session) SignedIn() bool { return s != nil && !s.UserID.IsZero() }

// SignIn is what Start needs to know.
type SignIn struct {
	Subject  Subject
	ClientID string // "" is FirstParty
	AuthTime time.Time
	ACR      string
	AMR      []string
	Client   Client
	Web      bool   // a browser: the answer has a cookie
	Data     []byte // flash messages and the like, carried over
	// Old is the session that the browser came with; it dies with the sign-in
	// (ASVS 5.0, 7.2.4), whoever it belonged to. nil is none.
	Old *Session
}

// Started is a new session, or an old one under a new cookie. Cookie is the
// only copy of the secret and is empty for a program.
type Started struct {
	ID         models.ID
	Cookie     secrets.Raw
	CookieHash []byte
	Session    *Session
}

// Sessions owns the sessions on the server: the cookie is opaque, the row
// holds its hash, and nothing a visitor keeps can bring a dead row back.
type Sessions struct {
	deps Deps
	log  *Log
}

func newSessions(d Deps, log *Log) *Sessions { return &Sessions{deps: d, log: log} }

const insertSessionSQL = `INSERT INTO sessions (id, cookie_hash, user_id, client_id, session_epoch, auth_time, acr, amr,
 ip, user_agent, data, created_at, last_seen_at, idle_until, absolute_until, ended_why)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')`

// insertArgs are the values of insertSessionSQL, the data sealed to its row.
func (s *Sessions) insertArgs(r *models.Session) []any {
	return []any{
		r.ID, r.CookieHash, r.UserID, r.ClientID, r.SessionEpoch, r.AuthTime, r.ACR, string(r.AMR),
		r.IP, r.UserAgent, s.seal(r.ID, r.Data), r.CreatedAt, r.LastSeenAt, r.IdleUntil, r.AbsoluteUntil,
	}
}

// Start makes a session in the transaction of the sign-in. The caller updates
// the user's row in the same transaction under the condition that it is enabled
// and of this session epoch (accounts.RecordSignIn): that row is what a sign-in
// and "end all" both write, so that they cannot both succeed. The chokepoint is
// asked here as well, at the last moment before something is handed out.
func (s *Sessions) Start(tx *gorm.DB, in SignIn) (Started, error) {
	if in.Subject.ID.IsZero() {
		return Started{}, ErrNoSession
	}
	if len(in.Data) > maxData {
		return Started{}, ErrDataTooLarge
	}
	if err := judge(tx.Statement.Context, s.deps.Admit, in.Subject); err != nil {
		return Started{}, err
	}
	if err := s.kill(tx, in.Old, in.Client); err != nil {
		return Started{}, err
	}
	started := s.newSession(in)
	row := &started.Session.Session
	return started, tx.Exec(insertSessionSQL, s.insertArgs(row)...).Error
}

func (s *Sessions) newSession(in SignIn) Started {
	if in.ClientID == "" {
		in.ClientID = FirstParty
	}
	in.Subject.ClientID = in.ClientID
	row := s.newRow(in.Client, in.Data)
	row.UserID, row.ClientID = in.Subject.ID, in.ClientID
	row.SessionEpoch = in.Subject.SessionEpoch
	row.AuthTime, row.ACR, row.AMR = models.At(in.AuthTime), in.ACR, models.JoinWords(in.AMR)
	var cookie secrets.Raw
	if in.Web {
		cookie, row.CookieHash = newCookie()
		s.lasts(&row, s.deps.Config.SessionIdleTTL, s.deps.Config.SessionAbsoluteTTL)
	} else {
		// The family under a program's session has the idle end; the session
		// itself ends at the absolute one, so that a refresh writes one row.
		s.lasts(&row, s.deps.Config.RefreshTTL, s.deps.Config.RefreshTTL)
	}
	return Started{row.ID, cookie, row.CookieHash, &Session{Session: row, Subject: in.Subject}}
}

// StartAnonymous makes a short-lived session for a browser at which nobody is
// signed in. It is called only when a form or a message needs a place.
func (s *Sessions) StartAnonymous(ctx context.Context, data []byte, by Client) (Started, error) {
	if len(data) > maxData {
		return Started{}, ErrDataTooLarge
	}
	row := s.newRow(by, data)
	row.ClientID = FirstParty
	var cookie secrets.Raw
	cookie, row.CookieHash = newCookie()
	s.lasts(&row, anonymousIdle, anonymousAbsolute)
	if _, err := s.deps.DB.Exec(ctx, insertSessionSQL, s.insertArgs(&row)...); err != nil {
		return Started{}, err
	}
	return Started{row.ID, cookie, row.CookieHash, &Session{Session: row}}, nil
}

// HoldAnonymous is StartAnonymous in the transaction of its cause, for a browser
// at which half a sign-in is done: a new id at every rise (security rule 9). The
// session that the browser came with dies with it.
func (s *Sessions) HoldAnonymous(tx *gorm.DB, data []byte, old *Session, by Client) (Started, error) {
	if len(data) > maxData {
		return Started{}, ErrDataTooLarge
	}
	if err := s.kill(tx, old, by); err != nil {
		return Started{}, err
	}
	row := s.newRow(by, data)
	row.ClientID = FirstParty
	var cookie secrets.Raw
	cookie, row.CookieHash = newCookie()
	s.lasts(&row, anonymousIdle, anonymousAbsolute)
	return Started{row.ID, cookie, row.CookieHash, &Session{Session: row}}, tx.Exec(insertSessionSQL, s.insertArgs(&row)...).Error
}

func (s *Sessions) newRow(by Client, data []byte) models.Session {
	now := models.At(s.deps.Clock())
	by = by.Stored()
	return models.Session{
		ID: models.NewID(), IP: by.IP, UserAgent: by.UserAgent, Data: data,
		CreatedAt: now, LastSeenAt: now,
	}
}

// lasts sets both ends; the idle one is never behind the absolute one.
func (s *Sessions) lasts(row *models.Session, idle, absolute time.Duration) {
	row.AbsoluteUntil = models.At(row.CreatedAt.Add(absolute))
	row.IdleUntil = earlier(models.At(row.CreatedAt.Add(idle)), row.AbsoluteUntil)
}

func earlier(a, b models.Time) models.Time {
	if b.Before(a.Time) {
		return b
	}
	return a
}

// kill ends the session that a browser had before it signed in: an anonymous
// row is deleted, a signed-in one ends like at a sign-out, tokens included.
func (s *Sessions) kill(tx *gorm.DB, old *Session, by Client) error {
	switch {
	case old == nil:
		return nil
	case !old.SignedIn():
		return tx.Exec(`DELETE FROM sessions WHERE id = ? AND user_id IS NULL`, old.ID).Error
	}
	_, err := s.endOne(tx, ending{user: old.UserID, id: old.ID, why: WhyReplaced, action: audit.SessionEnded, by: by})
	return err
}

// NewCookie gives a live web session another cookie, for a rise of privilege
// that keeps the session (security rule 9). The old cookie is dead from the
// commit on, and of two requests that hold it one gets the new one.
func (s *Sessions) NewCookie(tx *gorm.DB, old *Session) (Started, error) {
	if old == nil || len(old.CookieHash) == 0 {
		return Started{}, ErrNoSession
	}
	cookie, hash := newCookie()
	now := models.At(s.deps.Clock())
	res := tx.Exec(`UPDATE sessions SET cookie_hash = ? WHERE id = ? AND cookie_hash = ?
 AND ended_at IS NULL AND idle_until > ? AND absolute_until > ?`, hash, old.ID, old.CookieHash, now, now)
	if res.Error != nil {
		return Started{}, res.Error
	}
	if res.RowsAffected == 0 {
		return Started{}, ErrNoSession
	}
	fresh := *old
	fresh.CookieHash = hash
	return Started{old.ID, cookie, hash, &fresh}, nil
}

// Reprove records that the person of a live session proved again who they are.
// The row is the one that every end writes, so a session that ends at the same
// moment is not revived.
func (s *Sessions) Reprove(tx *gorm.DB, id models.ID, at time.Time, acr string, amr []string) error {
	now, when, words := models.At(s.deps.Clock()), models.At(at), string(models.JoinWords(amr))
	res := tx.Exec(`UPDATE sessions SET auth_time = ?, acr = ?, amr = ?
 WHERE id = ? AND user_id IS NOT NULL AND ended_at IS NULL AND idle_until > ? AND absolute_until > ?`,
		when, acr, words, id, now, now)
	if res.Error != nil || res.RowsAffected == 1 {
		return res.Error
	}
	// MySQL does not count a row that already holds exactly these values.
	var same int64
	err := tx.Raw(`SELECT COUNT(*) FROM sessions WHERE id = ? AND auth_time = ? AND acr = ? AND amr = ?
 AND ended_at IS NULL AND idle_until > ? AND absolute_until > ?`, id, when, acr, words, now, now).Scan(&same).Error
	if err == nil && same == 0 {
		err = ErrNoSession
	}
	return err
}

// newCookie makes the value of a cookie and the hash that the row keeps.
func newCookie() (secrets.Raw, []byte) {
	cookie := secrets.NewToken(cookiePrefix)
	hash, _ := cookieHash(cookie.Reveal())
	return cookie, hash
}

// cookieHash is the key to look a cookie up by; ok is false for whatever
// cannot be one of ours, before any query.
func cookieHash(cookie string) (hash []byte, ok bool) {
	if !wellFormed(cookie, cookiePrefix) {
		return nil, false
	}
	h, ok := secrets.HashOf("session", cookie)
	return h.Bytes(), ok
}

func (s *Sessions) seal(id models.ID, data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	return s.deps.Box.Seal("sessions", "data", id.Bytes(), data)
}

// open reads the sealed data. What does not open (another SECRET_KEY) is
// dropped: it is a message or a half-filled form, and the session itself does
// not depend on it.
func (s *Sessions) open(id models.ID, sealed []byte) []byte {
	if len(sealed) == 0 {
		return nil
	}
	data, err := s.deps.Box.Open("sessions", "data", id.Bytes(), sealed)
	if err != nil {
		s.deps.Log.Warn("the data of a session does not open and is dropped", slog.String("session", id.String()))
		return nil
	}
	return data
}
