package tokens

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// RefreshToken is a refresh token as it is handed to its client, once.
type RefreshToken struct {
	Token     secrets.Raw
	ExpiresAt time.Time // when it ends if it is not used: the idle or the absolute end
}

// Refreshed is the answer to a refresh.
type Refreshed struct {
	Access    AccessToken
	Refresh   RefreshToken
	User      models.ID
	SessionID models.ID
	Scope     []string
	// Repeated says that the token had been used before, within the retry
	// window, and that the current token was given again.
	Repeated bool
}

// Refresh issues and rotates refresh tokens.
type Refresh struct{ d Deps }

func newRefresh(d Deps, a *Access, l *Log) *Refresh { return &Refresh{d: d} }

// Issue starts a family.
func (r *Refresh) Issue(tx *gorm.DB, sessionID, user models.ID, clientID string, scope []string) (RefreshToken, error) {
	return RefreshToken{}, nil
}

// Rotate exchanges a refresh token.
func (r *Refresh) Rotate(ctx context.Context, raw, clientID string, by Client) (Refreshed, error) {
	return Refreshed{}, nil
}
