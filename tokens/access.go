package tokens

import (
	"context"
	"time"

	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// Grant is what an access token says about its bearer.
type Grant struct {
	Subject   Subject
	SessionID models.ID
	ClientID  string
	Scope     []string
	AuthTime  time.Time
	ACR       string
	AMR       []string
}

// AccessToken is a signed access JWT.
type AccessToken struct {
	Token     secrets.Raw
	ID        models.ID
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Access makes access tokens.
type Access struct{ Deps }

func newAccess(d Deps) *Access { return &Access{d} }

// Pending is an access token whose times are fixed and whose signature is missing.
type Pending struct{}

// Prepare fixes iat, exp and jti.
func (a *Access) Prepare(g Grant) Pending { panic("not yet") }

// Sign signs.
func (p Pending) Sign() (AccessToken, error) { panic("not yet") }

// ForSession makes an access token for a live session.
func (a *Access) ForSession(ctx context.Context, sessionID models.ID) (AccessToken, error) {
	panic("not yet")
}
