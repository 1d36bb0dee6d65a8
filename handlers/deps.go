package handlers

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/keys"
	"gatehouse/mail"
	"gatehouse/middleware"
	"gatehouse/signin"
	"gatehouse/templates"
	"gatehouse/tokens"
	"gatehouse/verify"
)

// Config is what handlers know of the settings.
type Config struct {
	// AppURL is the one address of the server, without a slash at its end.
	AppURL string
	// TrustedProxies are the networks whose forwarding headers are believed.
	TrustedProxies []netip.Prefix
	// DevInbox is whether mail goes to the development inbox and APP_URL and
	// LISTEN_ADDR are both loopback.
	DevInbox bool
	// SignupClosed is whether nobody may register by themselves.
	SignupClosed bool
	// EmailCode is whether people may sign in with a mailed code.
	EmailCode bool
	// Operator is who runs the server, as the pages say; "" says nothing.
	Operator string
	// SessionMaxAge is the absolute end of a browser session.
	SessionMaxAge time.Duration
	// SessionIdleTTL and AccessTokenTTL are told on the pages.
	SessionIdleTTL, AccessTokenTTL time.Duration
	// TrustedDeviceTTL is for how long a browser may be trusted; 0 offers it to
	// nobody.
	TrustedDeviceTTL time.Duration
	// PasswordMinLength is written into the forms.
	PasswordMinLength int
}

// Part is something that readiness asks: it is nil when the part works.
type Part struct {
	Name  string
	Ready func(ctx context.Context) error
}

// Deps is everything that handlers work with.
type Deps struct {
	Accounts *accounts.Service
	Audit    *audit.Log
	SignIn   *signin.Flow
	Passkeys *signin.Passkeys
	Tokens   *tokens.Service
	Keys     *keys.Ring
	Mail     *mail.Mailer
	// Limits are the limits that the route table asks for.
	Limits   *middleware.Limits
	Verifier *verify.Verifier
	Pages    *templates.Renderer
	Metrics  *middleware.Metrics
	Log      *slog.Logger
	Clock    func() time.Time
	// Wall is the machine's own clock, for the deadlines of connections.
	Wall   func() time.Time
	Parts  []Part
	Config Config
}
