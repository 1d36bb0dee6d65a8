package accounts

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/work"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// Lifetimes of what this room hands out.
const (
	// LinkTTL is how long a mailed link works. It need not be longer: whoever
	// comes later asks for another one.
	LinkTTL = 15 * time.Minute
	// CodeTTL is how long a mailed code works, as the pages say it. ASVS 5.0,
	// 6.5.5: an out-of-band code lives at most 10 minutes.
	CodeTTL = 10 * time.Minute
	// signupTTL is how long a sign-up waits; each link to it lives for LinkTTL.
	signupTTL = 24 * time.Hour
	// operatorLinkTTL is longer, because people hand such a link over by hand.
	operatorLinkTTL = time.Hour
	setupLinkTTL    = 24 * time.Hour
	// ClosingTTL is how long a sign-in takes back that an account was closed.
	ClosingTTL = 14 * 24 * time.Hour
	// InvitationTTL is how long an invitation waits.
	InvitationTTL = 7 * 24 * time.Hour
)

// The values of the setting SIGNUP.
const (
	SignupOpen   = "open"
	SignupInvite = "invite"
	SignupClosed = "closed"
)

// The values of the setting EMAIL_VERIFICATION.
const (
	VerificationRequired = "required"
	VerificationOptional = "optional"
)

// Config is what an operator decides about accounts.
type Config struct {
	Signup            string
	EmailVerification string
	// BaseURL is APP_URL without a slash at its end, the only source of links.
	BaseURL        string
	MailPerAddress ratelimit.Rule
	// AdminsNeedFactor is MFA=admins: who becomes an administrator signs in
	// again, with a second factor.
	AdminsNeedFactor bool
}

// Deps is what the room works with.
type Deps struct {
	DB        *database.DB
	Tokens    *tokens.Service
	Mail      *mail.Mailer
	Audit     *audit.Log
	Passwords *passwords.Hasher
	Limits    *ratelimit.Limits
	// Work asks strangers for work under pressure; nil never does.
	Work *work.Gate
	// Factors moves and erases the second factors, which signin owns.
	Factors FactorStore
	Clock   func() time.Time
	Log     *slog.Logger
	Config  Config
}

// Service is the room.
type Service struct {
	Deps
}

// New builds the room.
func New(d Deps) *Service {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{Deps: d}
}

// Admit is the one decision whether a subject may have a session, code or
// token now. It judges the row it is given, which was read in one statement,
// and asks the database nothing more. server/wire.go hands it to tokens. An
// account that is disabled or being closed is not enabled there.
func Admit(_ context.Context, s tokens.Subject) tokens.Verdict {
	switch {
	case s.ID.IsZero():
		return tokens.Verdict{Reason: "unknown_subject"}
	case !s.Enabled:
		return tokens.Verdict{Reason: "account_disabled"}
	}
	return tokens.Verdict{OK: true}
}

// SubjectOf is the view "admissions" of a user that was read as a whole, for a
// sign-in. To the view an account that is being closed is not enabled, so that
// nothing it has is good for anything; to a sign-in it is, because a sign-in
// that succeeds takes the closing back in its own transaction (RecordSignIn).
func SubjectOf(u *models.User) tokens.Subject {
	return tokens.Subject{
		ID: u.ID, Enabled: u.DisabledAt.IsZero(), Roles: u.Roles,
		TokenEpoch: u.TokenEpoch, SessionEpoch: u.SessionEpoch, ClientID: tokens.FirstParty,
	}
}
