package signin

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/metrics"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/tokens"
)

// acrPassword is the assurance of one factor (NIST SP 800-63B-4, section 2.1).
const acrPassword = "aal1"

// The errors of a sign-in besides too_many_attempts and busy.
var (
	ErrCredentials = apperr.New(apperr.Unauthenticated, "invalid_credentials")
	ErrNotVerified = apperr.New(apperr.Forbidden, "email_not_verified")
)

// Config is what an operator decides about sign-ins.
type Config struct {
	LoginPerNetwork ratelimit.Rule
	// FreeTries is how many wrong secrets are looked at before delays begin: 0
	// is 10, below 0 switches the counters off.
	FreeTries int
}

// Deps is what the room works with.
type Deps struct {
	DB        *database.DB
	Accounts  *accounts.Service
	Tokens    *tokens.Service
	Audit     *audit.Log
	Passwords *passwords.Hasher
	Limits    *ratelimit.Limiter
	Metrics   *metrics.Metrics
	Box       *secrets.Box
	// Factors keeps second factors; nil is a new one over DB and Box.
	Factors *Factors
	Clock   func() time.Time
	Config  Config
}

// Flow signs people in.
type Flow struct {
	Deps
	throttle throttle
	password Method
}

// New builds the room.
func New(d Deps) *Flow {
	if d.Config.FreeTries == 0 {
		d.Config.FreeTries = defaultFree
	}
	if d.Factors == nil {
		d.Factors = NewFactors(d.DB, d.Box)
	}
	return &Flow{
		Deps:     d,
		throttle: throttle{db: d.DB, box: d.Box, clock: d.Clock, free: d.Config.FreeTries},
		password: password{hasher: d.Passwords, accounts: d.Accounts},
	}
}

// Input is a sign-in as it was typed.
type Input struct {
	Login, Password string
	Web             bool // a browser: the answer has a cookie; else it has tokens
	Client          tokens.Client
	// Device is by what a browser is known that was here before; "" for a program.
	Device string
	// Anonymous is the session that the browser came with; it dies.
	Anonymous *tokens.Session
	// Data is carried into the new session: the flash message.
	Data []byte
}

// Result is a sign-in that succeeded. With the error email_not_verified only
// Attempt is set: where to type the code of the mail that has just left. With
// password_change_required only User is.
type Result struct {
	User    *models.User
	Session tokens.Started
	Access  *tokens.AccessToken  // of a program
	Refresh *tokens.RefreshToken // of a program
	Next    []string             // methods that are still wanted
	Attempt secrets.Raw
}

// try is one secret that somebody wants to have looked at.
type try struct {
	method Method
	user   *models.User // nil is nobody
	login  string
	secret string
	by     tokens.Client
}

// SignIn checks a name and a password and starts a session. Everything that
// can be wrong with them has one answer, ErrCredentials, at one price.
func (f *Flow) SignIn(ctx context.Context, in Input) (Result, error) {
	res, err := f.signIn(ctx, in)
	f.Metrics.SignIn(outcome(err))
	return res, err
}

func (f *Flow) signIn(ctx context.Context, in Input) (Result, error) {
	if err := filled(in); err != nil {
		return Result{}, err
	}
	refund, err := f.takeNetwork(in.Client.IP)
	if err != nil {
		return Result{}, err
	}
	u, err := f.Accounts.ByLogin(ctx, in.Login)
	if err != nil {
		return Result{}, err
	}
	t := try{method: f.password, user: u, login: in.Login, secret: in.Password, by: in.Client}
	s, verdict, err := f.look(ctx, audit.SignIn, t, refund)
	if err != nil {
		return Result{}, err
	}
	if f.Accounts.NeedsVerification(u) {
		return f.unverified(ctx, t, s)
	}
	if verdict.MustChange {
		return Result{User: u}, f.enough(ctx, audit.SignIn, t, s, verdict)
	}
	return f.start(ctx, in, t, s, verdict)
}

// filled refuses empty secrets before any query (security rule 4).
func filled(in Input) error {
	switch {
	case in.Login == "":
		return apperr.InvalidField("username", "required")
	case in.Password == "":
		return apperr.InvalidField("password", "required")
	}
	return nil
}

// takeNetwork counts a try against its network. The refusal is neither
// recorded nor counted against an account: it must cost less than the try.
func (f *Flow) takeNetwork(ip string) (refund func(), err error) {
	addr, _ := netip.ParseAddr(ip)
	key, rule := ratelimit.NetworkKey(addr), f.Config.LoginPerNetwork
	ok, wait := f.Limits.Take("login_network", rule, key)
	if !ok {
		return nil, apperr.Throttle(errTooMany.Reason, max(wait, time.Second))
	}
	return func() { f.Limits.Refund("login_network", rule, key) }, nil
}

// look has one secret looked at: slot, comparison, verdict. It returns the
// slot with a right secret of an account that may sign in, and an error
// otherwise. refund gives back what was taken before, when nothing was compared.
func (f *Flow) look(ctx context.Context, action audit.Action, t try, refund func()) (slot, Verdict, error) {
	s, err := f.throttle.reserve(ctx, f.throttle.bucket(t.method.Factor(), t.user, t.login))
	if err != nil {
		if errTooMany.Is(err) {
			return slot{}, Verdict{}, f.refuse(ctx, action, t, apperr.From(err))
		}
		return slot{}, Verdict{}, err
	}
	verdict, err := t.method.Verify(ctx, t.user, t.secret)
	if err != nil {
		refund()
		f.throttle.giveBack(ctx, s)
		return slot{}, Verdict{}, err
	}
	if !verdict.OK || t.user == nil || !accounts.Admit(ctx, accounts.SubjectOf(t.user)).OK {
		return slot{}, Verdict{}, f.refuse(ctx, action, t, ErrCredentials)
	}
	return s, verdict, nil
}

// refuse records a refusal and returns its error. The record never holds what
// was typed: people type passwords into the wrong field. It is written even
// when the caller is gone, or guessing without waiting would leave no trace.
func (f *Flow) refuse(ctx context.Context, action audit.Action, t try, why *apperr.Error) error {
	e := t.event(action)
	e.Outcome, e.Reason = audit.Failure, why.Reason
	if err := f.Audit.Record(context.WithoutCancel(ctx), e); err != nil {
		return err
	}
	return why
}

func (t try) event(action audit.Action) audit.Event {
	e := audit.Event{
		Action: action, Outcome: audit.Success, ClientID: tokens.FirstParty,
		IP: t.by.IP, UserAgent: t.by.UserAgent, RequestID: t.by.RequestID,
		Detail: map[string]string{"method": t.method.Name()},
	}
	if t.user != nil {
		e.Subject = t.user.ID
	}
	return e
}

// unverified stops at a right password of an account whose address is not
// confirmed, gives the slot back, and mails the way to confirm it.
func (f *Flow) unverified(ctx context.Context, t try, s slot) (Result, error) {
	if err := f.stop(ctx, audit.SignIn, t, s, ErrNotVerified); err != nil {
		return Result{}, err
	}
	attempt, err := f.Accounts.SendVerification(ctx, t.user, t.by)
	if err != nil {
		return Result{}, err
	}
	return Result{Attempt: attempt}, ErrNotVerified
}

// enough stops at a right password that must not open the account by itself:
// the account has a second factor, or the hash is too weak to keep. Who does
// not know the password learns of neither.
func (f *Flow) enough(ctx context.Context, action audit.Action, t try, s slot, v Verdict) error {
	has, err := f.Factors.Has(ctx, t.user.ID)
	switch {
	case err != nil:
		f.throttle.giveBack(ctx, s) // the secret was right
		return err
	case has:
		return cmp.Or(f.stop(ctx, action, t, s, ErrFactor), error(ErrFactor))
	case v.MustChange:
		return cmp.Or(f.stop(ctx, action, t, s, ErrMustChange), error(ErrMustChange))
	}
	return nil
}

// stop records why a right secret opened nothing and gives its slot back.
func (f *Flow) stop(ctx context.Context, action audit.Action, t try, s slot, why *apperr.Error) error {
	e := t.event(action)
	e.Outcome, e.Reason = audit.Failure, why.Reason
	return f.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := f.throttle.forgive(tx, s); err != nil {
			return err
		}
		return f.Audit.Append(tx, e)
	})
}

// outcome is the label of the metric.
func outcome(err error) string {
	e := apperr.From(err)
	switch {
	case e == nil:
		return "success"
	case e.Kind == apperr.Throttled:
		return "throttled"
	case e.Kind == apperr.Unavailable:
		return "unavailable"
	case e.Kind == apperr.Internal:
		return "error"
	}
	return e.Reason
}

// Trim deletes counters that are forgotten anyway. It is a job of server.
func (f *Flow) Trim(ctx context.Context) error { return f.throttle.trim(ctx) }
