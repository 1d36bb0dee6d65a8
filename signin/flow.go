package signin

import (
	"cmp"
	"context"
	"errors"
	"time"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/metrics"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/internal/work"
	"gatehouse/models"
	"gatehouse/tokens"
)

// The errors of a sign-in besides too_many_attempts and busy.
var (
	ErrCredentials = apperr.New(apperr.Unauthenticated, "invalid_credentials")
	ErrNotVerified = apperr.New(apperr.Forbidden, "email_not_verified")
)

// Config is what an operator decides about sign-ins.
type Config struct {
	// MFA is who has to have a second factor: MFAOptional, MFAAdmins or
	// MFARequired; "" is MFAOptional.
	MFA string
	// Issuer is what authenticator apps call this server; "" is Gatehouse.
	Issuer string
	// FreeTries is how many wrong secrets are looked at before delays begin: 0
	// is 10, below 0 switches the counters off.
	FreeTries int
	// TrustedDeviceTTL is for how long a browser may ask not to be asked for the
	// second factor; 0 does not offer it.
	TrustedDeviceTTL time.Duration
}

// Deps is what the room works with.
type Deps struct {
	DB        *database.DB
	Accounts  *accounts.Service
	Tokens    *tokens.Service
	Audit     *audit.Log
	Passwords *passwords.Hasher
	Limits    *ratelimit.Limits
	// Work asks strangers for work under pressure; nil never does.
	Work    *work.Gate
	Metrics *metrics.Metrics
	Box     *secrets.Box
	// Factors keeps second factors; nil is a new one over DB and Box.
	Factors *Factors
	// Methods are all but the password, the strongest first: in this order
	// people are asked for them.
	Methods []Method
	Clock   func() time.Time
	Config  Config
}

// Flow signs people in.
type Flow struct {
	Deps
	throttle throttle
	password Method
}

// New builds the room. Two methods of one name are a mistake of the program.
func New(d Deps) *Flow {
	if d.Config.FreeTries == 0 {
		d.Config.FreeTries = defaultFree
	}
	if d.Factors == nil {
		d.Factors = NewFactors(d.DB, d.Box)
	}
	f := &Flow{
		Deps:     d,
		throttle: throttle{db: d.DB, box: d.Box, clock: d.Clock, free: d.Config.FreeTries},
		password: password{hasher: d.Passwords, accounts: d.Accounts},
	}
	if d.Tokens != nil {
		d.Tokens.OnRenewal(endAllTrust)
	}
	seen := map[string]bool{f.password.Name(): true}
	for _, m := range d.Methods {
		if seen[m.Name()] {
			panic("signin: two methods are called " + m.Name())
		}
		seen[m.Name()] = true
	}
	return f
}

// method finds one by its name; "" is the password, nil is none.
func (f *Flow) method(name string) Method {
	if name == "" || name == f.password.Name() {
		return f.password
	}
	for _, m := range f.Methods {
		if m.Name() == name {
			return m
		}
	}
	return nil
}

// Input is a sign-in as it was typed. Method is "" for the password; another
// one that may begin a sign-in has its secret in Password or in Response.
type Input struct {
	Method          string
	Login, Password string
	Response        any
	Web             bool // a browser: the answer has a cookie; else it has tokens
	Client          tokens.Client
	// Anonymous is the session that the browser came with; it dies.
	Anonymous *tokens.Session
	// Data is carried into the new session: the flash message.
	Data []byte
	// Trust asks not to be asked for the second factor in this browser any more.
	Trust bool
	// Half makes what the anonymous session of a browser holds while a second
	// factor is asked for: the attempt, and where to go afterwards. nil for a
	// program.
	Half func(attempt secrets.Raw) []byte
}

// Result is a sign-in that succeeded. With the error email_not_verified only
// Attempt is set: where to type the code of the mail that has just left. With
// password_change_required only User is. When Next is set, half of it is done:
// Attempt names it, and Session is the anonymous one in which a browser keeps it.
type Result struct {
	User    *models.User
	Session tokens.Started
	Access  *tokens.AccessToken  // of a program
	Refresh *tokens.RefreshToken // of a program
	Next    []string             // methods of which one is still wanted, the strongest first
	Attempt secrets.Raw
	Held    Held        // what the account has besides a password
	Browser secrets.Raw // by which the browser is known from now on
}

// SignIn checks the first factor, usually a name and a password, and starts a
// session or asks for a second one. Everything that can be wrong with a name
// and a password has one answer, ErrCredentials, at one price.
func (f *Flow) SignIn(ctx context.Context, in Input) (Result, error) {
	res, err := f.signIn(ctx, in)
	f.Metrics.SignIn(outcome(res, err))
	return res, err
}

func (f *Flow) signIn(ctx context.Context, in Input) (Result, error) {
	m := f.method(in.Method)
	if m == nil || m.Uses()&First == 0 {
		return Result{}, ErrCredentials
	}
	if err := filled(m, in); err != nil {
		return Result{}, err
	}
	if err := f.room(ctx, m, in.Client); err != nil {
		return Result{}, err
	}
	refund, err := f.takeNetwork(ctx, in.Client.IP)
	if err != nil {
		return Result{}, err
	}
	t := try{method: m, login: in.Login, by: in.Client, offer: Offer{Secret: in.Password, Response: in.Response, Browser: idOf(in.Anonymous)}}
	if err := f.find(ctx, &t); err != nil {
		refund()
		return Result{}, err
	}
	s, verdict, err := f.look(ctx, audit.SignIn, t, refund)
	if err != nil {
		return Result{}, err
	}
	if f.Accounts.NeedsVerification(t.user) {
		return f.unverified(ctx, t, s)
	}
	return f.begin(ctx, opening{in: in, try: t, slot: s, verdict: verdict, shown: progress{}.with(m, verdict)})
}

func idOf(s *tokens.Session) models.ID {
	if s == nil {
		return models.ID{}
	}
	return s.ID
}

// find reads whose sign-in it is, by the name or by what a method knows.
func (f *Flow) find(ctx context.Context, t *try) (err error) {
	if finder, ok := t.method.(Finder); ok && t.login == "" {
		t.user, err = finder.Find(ctx, t.offer)
	} else {
		t.user, err = f.Accounts.ByLogin(ctx, t.login)
	}
	t.offer.User = t.user
	return err
}

// begin goes on after the first factor: a session, or a second factor first.
func (f *Flow) begin(ctx context.Context, o opening) (Result, error) {
	next, err := f.ahead(ctx, o)
	if err != nil {
		return Result{}, f.noWay(ctx, o, err)
	}
	if len(next) > 0 {
		return f.further(ctx, o, next)
	}
	if o.verdict.MustChange {
		return Result{User: o.user}, cmp.Or(f.stop(ctx, audit.SignIn, o.try, o.slot, ErrMustChange), error(ErrMustChange))
	}
	res, err := f.open(ctx, o)
	if !errors.Is(err, errGone) {
		return res, err
	}
	if next, err = f.next(ctx, o.user, o.shown); err != nil {
		return Result{}, f.noWay(ctx, o, err)
	}
	if len(next) > 0 {
		return f.further(ctx, o, next)
	}
	f.throttle.giveBack(ctx, o.slot)
	return Result{}, f.refuse(ctx, audit.SignIn, o.try, ErrCredentials)
}

// noWay answers when it cannot be told what comes next. The secret was right,
// so its slot is given back.
func (f *Flow) noWay(ctx context.Context, o opening, err error) error {
	if ErrFactor.Is(err) {
		return cmp.Or(f.stop(ctx, audit.SignIn, o.try, o.slot, ErrFactor), error(ErrFactor))
	}
	f.throttle.giveBack(ctx, o.slot)
	return err
}

// filled refuses empty secrets before any query (security rule 4).
func filled(m Method, in Input) error {
	_, finds := m.(Finder)
	noName, noSecret := in.Login == "" && !finds, in.Password == "" && in.Response == nil
	switch {
	case noName && noSecret:
		return apperr.InvalidField("username", "required").WithField("password", apperr.Field{Reason: "required"})
	case noName:
		return apperr.InvalidField("username", "required")
	case noSecret:
		return apperr.InvalidField("password", "required")
	}
	return nil
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

// outcome is the label of the metric.
func outcome(res Result, err error) string {
	e := apperr.From(err)
	switch {
	case e == nil && len(res.Next) > 0:
		return "next"
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

// Trim deletes counters that are forgotten anyway, and sign-ins and seeds that
// nobody completed in time. It is a job of server.
func (f *Flow) Trim(ctx context.Context) error {
	if err := f.throttle.trim(ctx); err != nil {
		return err
	}
	if err := f.Work.Trim(ctx); err != nil {
		return err
	}
	for _, m := range f.Methods {
		if t, ok := m.(interface{ Trim(context.Context) error }); ok {
			if err := t.Trim(ctx); err != nil {
				return err
			}
		}
	}
	if err := f.trimTrust(ctx); err != nil {
		return err
	}
	return f.trimAttempts(ctx)
}
