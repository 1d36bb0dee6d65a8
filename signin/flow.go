package signin

import (
	"cmp"
	"context"
	"errors"
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

// try is one secret that somebody wants to have looked at.
type try struct {
	method Method
	user   *models.User // nil is nobody
	login  string
	offer  Offer
	by     tokens.Client
	check  string // which check refused it, for the record
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
		return Result{}, err
	}
	if err := f.pay(ctx, t); err != nil {
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

// room refuses a password in a rush before anything is read, counted or asked
// for, when its sender has nothing by which any account could know it: no
// cookie, or the value that it would only get now. Thousands are refused in one
// moment, and an account for each would be most of what that costs.
func (f *Flow) room(ctx context.Context, m Method, by tokens.Client) error {
	cookie := by.Browser.RevealBytes()
	if m != f.password || len(cookie) > 0 && !secrets.Equal(cookie, by.Fresh.RevealBytes()) {
		return nil
	}
	return f.Passwords.Ready(ctx)
}

// pay asks strangers for work under pressure before a hash is spent on them.
// Nobody is asked in a browser that is known for the account, and whether there
// is an account makes no difference (security rule 14).
func (f *Flow) pay(ctx context.Context, t try) error {
	if t.method != f.password || knownFor(t) {
		return nil
	}
	key, _, _ := accounts.CanonicalLogin(t.login)
	return f.Work.Pass(ctx, t.by.Asks(tokens.WorkLogin, string(key)))
}

// Challenge is work to put into a form that is about to be shown to a stranger;
// nil without pressure.
func (f *Flow) Challenge(purpose string, by tokens.Client) *work.Challenge {
	return f.Work.Challenge(by.Asks(purpose, ""))
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
	switch {
	case in.Login == "" && !finds:
		return apperr.InvalidField("username", "required")
	case in.Password == "" && in.Response == nil:
		return apperr.InvalidField("password", "required")
	}
	return nil
}

// takeNetwork counts a try against its network. The refusal is neither
// recorded nor counted against an account: it must cost less than the try.
func (f *Flow) takeNetwork(ctx context.Context, ip string) (refund func(), err error) {
	if err := f.Limits.TakeNetwork(ctx, ratelimit.Login, ip); err != nil {
		return nil, err
	}
	return func() { f.Limits.RefundNetwork(ratelimit.Login, ip) }, nil
}

// look has one secret looked at: slot, comparison, verdict. It returns the
// slot with a right secret of an account that may sign in, and an error
// otherwise. refund gives back what was taken before, when nothing was compared.
func (f *Flow) look(ctx context.Context, action audit.Action, t try, refund func()) (slot, Verdict, error) {
	if knownFor(t) {
		ctx = passwords.WithPriority(ctx)
	}
	// Who might have been known and is not is refused here in a rush, before the
	// write that reserves the slot; see room for most others.
	if t.method == f.password {
		if err := f.Passwords.Ready(ctx); err != nil {
			refund()
			return slot{}, Verdict{}, err
		}
	}
	s, err := f.slotFor(ctx, t)
	if err != nil {
		if errTooMany.Is(err) {
			return slot{}, Verdict{}, f.refuse(ctx, action, t, apperr.From(err))
		}
		return slot{}, Verdict{}, err
	}
	verdict, err := t.method.Verify(ctx, t.offer)
	if err != nil {
		refund()
		f.throttle.giveBack(ctx, s)
		return slot{}, Verdict{}, err
	}
	if !verdict.OK || t.user == nil || !accounts.Admit(ctx, accounts.SubjectOf(t.user)).OK {
		t.check = verdict.Check
		if !knownFor(t) {
			f.Work.Failed()
		}
		return slot{}, Verdict{}, f.refuse(ctx, action, t, verdict.why(t.method))
	}
	return s, verdict, nil
}

// slotFor reserves the slot of a try; what cannot be guessed needs none.
func (f *Flow) slotFor(ctx context.Context, t try) (slot, error) {
	if _, ok := t.method.(Unguessable); ok {
		return slot{}, nil
	}
	g := target{factor: counterOf(t.method), user: t.user, login: t.login, ip: t.by.IP}
	if knownFor(t) {
		g.browser = t.by.Browser
	}
	return f.throttle.reserve(ctx, f.throttle.runs(g))
}

// knownFor reports whether a try comes from a browser in which the owner of the
// account has shown this factor before. Its tries are counted apart from those
// of strangers, who then cannot lock it out, and its hashes come first. What a
// program may show is the same cookie, which it seldom has: a program is a
// stranger, and so is a browser that signed in by a passkey alone when a
// password is typed into it.
func knownFor(t try) bool {
	return accounts.HasShown(t.user, t.by.Browser)&shownBy(t.method) != 0
}

// shownBy is what a browser is known for by a method.
func shownBy(m Method) accounts.Shown {
	if m.Factor() == FactorKnowledge {
		return accounts.ShownPassword
	}
	return accounts.ShownSecond
}

// counterOf names the counter of a method: each has its own, so that guesses at
// one factor are no guesses at another (security rule 13). That of the password
// has the name of its factor.
func counterOf(m Method) string {
	if m.Factor() == FactorKnowledge {
		return FactorKnowledge
	}
	return m.Name()
}

// why is the refusal of what was shown.
func (v Verdict) why(m Method) *apperr.Error {
	switch {
	case v.Why != nil:
		return v.Why
	case m.Uses()&First != 0:
		return ErrCredentials
	}
	return apperr.New(apperr.Unauthenticated, m.Name()+"_wrong")
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
	if t.check != "" {
		e.Detail["check"] = t.check
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
