package tokens

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// Session is a live session with the subject it belongs to. Data is in the clear.
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
	Web      bool     // a browser: the answer has a cookie
	Data     []byte   // flash messages and the like, carried over
	Old      *Session // the session that the browser came with: it dies; nil is none
}

// Started is a new session.
type Started struct {
	ID         models.ID
	Cookie     secrets.Raw // of a web session only
	CookieHash []byte
	Session    *Session
}

// Sessions owns the sessions on the server.
type Sessions struct{ Deps }

func newSessions(d Deps, log *Log) *Sessions { return &Sessions{d} }

// Start makes a session.
func (s *Sessions) Start(tx *gorm.DB, in SignIn) (Started, error) { panic("not yet") }

// StartAnonymous makes a session for a browser that nobody is signed in at.
func (s *Sessions) StartAnonymous(ctx context.Context, data []byte, by Client) (Started, error) {
	panic("not yet")
}

// ByCookie finds the live session of a cookie; nil is none.
func (s *Sessions) ByCookie(ctx context.Context, cookie string) (*Session, error) { panic("not yet") }

// SaveData stores data in a live session.
func (s *Sessions) SaveData(ctx context.Context, id models.ID, cookieHash, data []byte) error {
	panic("not yet")
}

// Discard deletes an anonymous session.
func (s *Sessions) Discard(ctx context.Context, id models.ID, cookieHash []byte) error {
	panic("not yet")
}

// NewCookie gives a live web session another cookie; the old one is dead.
func (s *Sessions) NewCookie(tx *gorm.DB, id models.ID) (Started, error) { panic("not yet") }

// Reprove records a fresh proof.
func (s *Sessions) Reprove(tx *gorm.DB, id models.ID, at time.Time, acr string, amr []string) error {
	panic("not yet")
}

// List lists the live sessions of a person.
func (s *Sessions) List(ctx context.Context, user models.ID) ([]models.Session, error) {
	panic("not yet")
}

// End ends one session of a person; false when there is none.
func (s *Sessions) End(ctx context.Context, user, id models.ID, why string, by Client) (bool, error) {
	panic("not yet")
}

// EndCurrent is the sign-out.
func (s *Sessions) EndCurrent(ctx context.Context, user, id models.ID, by Client) (bool, error) {
	panic("not yet")
}

// EndOthers ends every session of a person but one.
func (s *Sessions) EndOthers(ctx context.Context, user, keep models.ID, by Client) (int, error) {
	panic("not yet")
}

// EndUser ends every session of a person, within the transaction of the cause.
func (s *Sessions) EndUser(tx *gorm.DB, user models.ID, newTokenEpoch int64, why string, keep models.ID) error {
	panic("not yet")
}
