package signin

import (
	"context"
	"time"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/metrics"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/tokens"
)

type Config struct {
	LoginPerNetwork ratelimit.Rule
	FreeTries       int // 0 is 10; negative is no delay at all (LIMIT_LOGIN_FREE_TRIES=off on loopback)
}
type Deps struct {
	DB        *database.DB
	Accounts  *accounts.Service
	Tokens    *tokens.Service
	Audit     *audit.Log
	Passwords *passwords.Hasher
	Limits    *ratelimit.Limiter
	Metrics   *metrics.Metrics
	Box       *secrets.Box
	Clock     func() time.Time
	Config    Config
}
type Flow struct{ Deps }

func New(d Deps) *Flow { return &Flow{d} }

type Input struct {
	Login, Password string
	Web             bool // a browser: Result.Session has the cookie; else Access and Refresh are set
	Client          tokens.Client
	Anonymous       *tokens.Session
	Data            []byte
}

// Result of a sign-in. With the error email_not_verified, Attempt is the attempt of the mail just sent.
type Result struct {
	User    *models.User
	Session tokens.Started
	Access  *tokens.AccessToken
	Refresh *tokens.RefreshToken
	Next    []string
	Attempt secrets.Raw
}

func (f *Flow) SignIn(ctx context.Context, in Input) (Result, error) { panic("not yet") }
func (f *Flow) Reauth(ctx context.Context, user, session models.ID, password string, by tokens.Client) (tokens.Proof, error) {
	panic("not yet")
}
func (f *Flow) Trim(ctx context.Context) error { panic("not yet") }
func Recent(authTime, now time.Time, max time.Duration) bool {
	return !authTime.IsZero() && now.Sub(authTime) <= max
}
