package handlers

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/models"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// userJSON is a person as the API shows them to themselves.
type userJSON struct {
	ID            string   `json:"id"`
	Username      *string  `json:"username"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Name          string   `json:"name"`
	Roles         []string `json:"roles"`
	Factors       []string `json:"factors"`
	CreatedAt     string   `json:"created_at"`
}

// factorsOf names what an account proves itself with, the strongest first.
func factorsOf(u *models.User, held signin.Held) []string {
	factors := []string{}
	for _, one := range []struct {
		name string
		has  bool
	}{
		{"passkey", held.Passkeys > 0}, {"totp", held.TOTP > 0}, {"recovery", held.RecoveryCodes > 0}, {"password", u.PasswordHash != ""},
	} {
		if one.has {
			factors = append(factors, one.name)
		}
	}
	return factors
}

func userOf(u *models.User, held signin.Held) userJSON {
	return userJSON{
		ID: u.ID.String(), Username: u.Username, Email: u.Email, EmailVerified: !u.EmailVerifiedAt.IsZero(),
		Name: u.Name, Roles: u.Roles.List(), Factors: factorsOf(u, held), CreatedAt: stamp(u.CreatedAt.Time),
	}
}

// tokenJSON is the token answer of the contract (RFC 6749, section 5.1).
type tokenJSON struct {
	AccessToken      string    `json:"access_token"`
	TokenType        string    `json:"token_type"`
	ExpiresIn        int64     `json:"expires_in"`
	RefreshToken     string    `json:"refresh_token,omitempty"`
	RefreshExpiresIn int64     `json:"refresh_expires_in,omitempty"`
	User             *userJSON `json:"user,omitempty"`
	// RecoveryCodes are there when the sign-in has just made a second factor.
	RecoveryCodes []string `json:"recovery_codes,omitempty"`
}

// tokenAnswer is the answer of a sign-in.
func (a *app) tokenAnswer(done signin.Result) tokenJSON {
	answer := a.bareTokens(*done.Access, done.Refresh)
	user := userOf(done.User, done.Held)
	answer.User = &user
	return answer
}

// bareTokens is a token answer without a person.
func (a *app) bareTokens(access tokens.AccessToken, refresh *tokens.RefreshToken) tokenJSON {
	now := a.Clock()
	answer := tokenJSON{AccessToken: access.Token.Reveal(), TokenType: "Bearer", ExpiresIn: secondsLeft(access.ExpiresAt, now)}
	if refresh != nil {
		answer.RefreshToken = refresh.Token.Reveal()
		answer.RefreshExpiresIn = secondsLeft(refresh.ExpiresAt, now)
	}
	return answer
}

func secondsLeft(end, now time.Time) int64 {
	return max(0, int64(end.Sub(now).Round(time.Second)/time.Second))
}

// stamp is how the API writes a moment (RFC 3339, in UTC).
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func ok(c *gin.Context, v any) error {
	c.JSON(http.StatusOK, v)
	return nil
}

func noContent(c *gin.Context) error {
	c.Status(http.StatusNoContent)
	return nil
}
