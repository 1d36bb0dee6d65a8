package handlers

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/models"
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

func userOf(u *models.User) userJSON {
	factors := []string{}
	if u.PasswordHash != "" {
		factors = append(factors, "password")
	}
	return userJSON{
		ID: u.ID.String(), Username: u.Username, Email: u.Email, EmailVerified: !u.EmailVerifiedAt.IsZero(),
		Name: u.Name, Roles: u.Roles.List(), Factors: factors, CreatedAt: stamp(u.CreatedAt.Time),
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
}

func (a *app) tokenAnswer(access tokens.AccessToken, refresh *tokens.RefreshToken, u *models.User) tokenJSON {
	now := a.Clock()
	answer := tokenJSON{AccessToken: access.Token.Reveal(), TokenType: "Bearer", ExpiresIn: secondsLeft(access.ExpiresAt, now)}
	if refresh != nil {
		answer.RefreshToken = refresh.Token.Reveal()
		answer.RefreshExpiresIn = secondsLeft(refresh.ExpiresAt, now)
	}
	if u != nil {
		user := userOf(u)
		answer.User = &user
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
