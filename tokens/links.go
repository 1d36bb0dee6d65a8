package tokens

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// LinkKind is the purpose of a link. It is part of every hash, so that a link
// of one kind never opens another (security rule 2).
type LinkKind string

// The kinds of links.
const (
	VerifyEmail   LinkKind = "verify_email"
	ResetPassword LinkKind = "reset_password"
	Setup         LinkKind = "setup"
)

// ErrLink is the one answer for a link or attempt that is unknown, used,
// expired, cut, extended or of another kind.
var ErrLink = apperr.New(apperr.Invalid, "link_ended")

// ErrCode is the answer for a wrong code that may be tried again.
var ErrCode = apperr.New(apperr.Invalid, "code_wrong")

// NewLink says what to make.
type NewLink struct {
	Kind        LinkKind
	Subject     models.ID
	TTL         time.Duration
	CodeTTL     time.Duration // 0 is TTL
	WithCode    bool
	WithAttempt bool
}

// Link is a new link.
type Link struct {
	ID        models.ID
	Token     secrets.Raw
	Code      secrets.Raw // with WithCode
	Attempt   secrets.Raw // with WithAttempt
	ExpiresAt time.Time
}

// Found is a live link.
type Found struct {
	ID      models.ID
	Subject models.ID
}

// Links owns one-time links and codes.
type Links struct{ Deps }

func newLinks(d Deps) *Links { return &Links{d} }

// Create makes a link.
func (l *Links) Create(tx *gorm.DB, n NewLink) (Link, error) { panic("not yet") }

// Renew replaces token and code of a live attempt.
func (l *Links) Renew(tx *gorm.DB, attempt string, n NewLink) (Link, error) { panic("not yet") }

// Peek finds a live link and consumes nothing.
func (l *Links) Peek(ctx context.Context, kind LinkKind, token string) (Found, error) {
	panic("not yet")
}

// ByAttempt finds the live link of an attempt.
func (l *Links) ByAttempt(ctx context.Context, kind LinkKind, attempt string) (Found, error) {
	panic("not yet")
}

// ConsumeToken uses a link up.
func (l *Links) ConsumeToken(tx *gorm.DB, kind LinkKind, token string) (Found, error) {
	panic("not yet")
}

// CheckCode compares a code.
func (l *Links) CheckCode(ctx context.Context, kind LinkKind, attempt, code string) (Found, error) {
	panic("not yet")
}

// Consume uses a link up by its id, after CheckCode; false when somebody was first.
func (l *Links) Consume(tx *gorm.DB, id models.ID) (bool, error) { panic("not yet") }

// End ends every live link of one kind of a subject.
func (l *Links) End(tx *gorm.DB, kind LinkKind, subject models.ID) (int64, error) { panic("not yet") }
