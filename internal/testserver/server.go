package testserver

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/handlers"
	"gatehouse/internal/database"
	"gatehouse/internal/metrics"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testkit"
	"gatehouse/internal/work"
	"gatehouse/keys"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/signin"
	"gatehouse/templates"
	"gatehouse/tokens"
	"gatehouse/verify"
)

// Options are what a test may want otherwise.
type Options struct {
	AppURL            string // http://localhost:5000
	DatabaseURL       string // a SQLite file of the test
	Signup            string // open
	EmailVerification string // required
	NoInbox           bool   // no development inbox, and so no mail at all
	TrustedProxies    []netip.Prefix
	Clock             *testkit.Clock
	// Steady is the server's monotonic clock. With it the server learns the time
	// from Clock as a real one does from its database, so that Clock can jump; nil
	// has everything on Clock.
	Steady           *testkit.Clock
	FreeTries        int
	MFA              string // optional
	TrustedDeviceTTL time.Duration
	EmailCode        bool
	// Pressure is how many strangers wait for a hash, of 64, for whoever asks for
	// work then; nil asks nobody.
	Pressure func() int
	// Limits are rules for some rows of the table of limits; the others are off.
	Limits  map[ratelimit.Name]ratelimit.Rule
	Parts   []handlers.Part
	Quiet   bool // logs as a busy server does: failures only
	OneNode bool // never several: the test is about the memory of one
	Nodes   int  // several whole servers on one MySQL or MariaDB; 0 is what EnvNodes says
	Fresh   bool // bearer tokens are refused when the log was not read for long, as a real server does
}

// Server is a running server without a socket.
type Server struct {
	T        testing.TB
	Options  Options
	Clock    *testkit.Clock
	DB       *database.DB
	Keys     *keys.Ring
	Tokens   *tokens.Service
	Accounts *accounts.Service
	Audit    *audit.Log
	SignIn   *signin.Flow
	Passkeys *signin.Passkeys
	Factors  *signin.Factors
	Mail     *mail.Mailer
	Limits   *ratelimit.Limits
	Handler  http.Handler
	Log      *Lines
	Nodes    []*Server // all of them, this one first

	now     func() time.Time
	cluster *tokens.ClusterClock
}

// Lines is a log that a test can read.
type Lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String is all that was logged.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// pages are read once for all servers of a test binary.
var pages = sync.OnceValue(templates.New)

// New starts a server; change may alter its options.
func New(t testing.TB, change ...func(*Options)) *Server {
	t.Helper()
	o := Options{
		AppURL: "http://localhost:5000", Signup: accounts.SignupOpen, EmailVerification: accounts.VerificationRequired,
		Clock: testkit.NewClock(),
	}
	for _, f := range change {
		f(&o)
	}
	if o.DatabaseURL == "" {
		o.DatabaseURL = databaseURL(t, o)
	}
	s := &Server{T: t, Options: o, Clock: o.Clock, Log: &Lines{}}
	s.Limits = ratelimit.NewLimits(ratelimit.New(o.Clock.Now, 0), o.Limits)
	s.DB = testkit.Open(t, o.DatabaseURL, o.Clock.Now)
	s.build()
	s.spread()
	return s
}

// must stops the test; the server cannot be built halfway.
func (s *Server) must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

func (s *Server) build() {
	t, o, now := s.T, s.Options, s.Clock.Now
	if o.Steady != nil {
		s.cluster = tokens.NewClusterClock(o.Steady.Now)
		s.cluster.Tell(o.Clock.Now)
		s.must(s.cluster.Learn(t.Context(), s.DB))
		now = s.cluster.Now
	}
	s.now = now
	level := slog.LevelDebug
	if o.Quiet {
		level = slog.LevelWarn
	}
	ctx, box, log := t.Context(), testkit.Box(t), slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: level}))
	s.Audit = audit.New(s.DB, now)
	record := s.Audit
	var err error
	s.Keys, err = keys.Open(ctx, keys.Options{DB: s.DB, Box: box, Audit: record, Clock: now, Alg: "ES256"})
	s.must(err)
	hasher := passwords.New(passwords.Options{Params: passwords.Params{MemoryKiB: 64, Time: 1, Threads: 1}, Concurrency: 4})
	s.Mail, err = mail.New(mail.Deps{
		DB: s.DB, Box: box, Clock: now, Log: log, Dev: !o.NoInbox, AppName: "Gatehouse", BaseURL: o.AppURL,
	})
	s.must(err)
	s.Tokens = tokens.New(tokens.Deps{
		DB: s.DB, Keys: s.Keys, Audit: record, Box: box, Clock: now, Log: log, Admit: accounts.Admit, Beside: signin.Beside(), Limits: s.Limits,
		Alarm: func(tx *gorm.DB, user models.ID, what string) error { return s.Accounts.Alarm(tx, user, what) },
		Config: tokens.Config{
			Issuer: o.AppURL, Audience: o.AppURL, AccessTTL: 10 * time.Minute, RefreshTTL: 720 * time.Hour, RefreshIdleTTL: 168 * time.Hour,
			RetryWindow: 30 * time.Second, SessionIdleTTL: 24 * time.Hour, SessionAbsoluteTTL: 720 * time.Hour,
		},
	})
	s.Factors = signin.NewFactors(s.DB, box)
	var gate *work.Gate
	if o.Pressure != nil {
		gate = work.New(s.DB, box, now, &work.Pressure{Clock: now, Queue: func() (int, int) { return o.Pressure(), 64 }})
	}
	s.Accounts = accounts.New(accounts.Deps{
		Factors: s.Factors.Store(), DB: s.DB, Tokens: s.Tokens, Mail: s.Mail, Audit: record, Passwords: hasher, Limits: s.Limits, Work: gate, Clock: now, Log: log,
		Config: accounts.Config{
			Signup: o.Signup, EmailVerification: o.EmailVerification, BaseURL: o.AppURL,
			MailPerAddress: ratelimit.Rule{N: 100, Per: time.Hour},
		},
	})
	s.Passkeys = signin.NewPasskeys(signin.PasskeyDeps{
		DB: s.DB, Accounts: s.Accounts, Audit: record, Limits: s.Limits, Clock: now, AppURL: o.AppURL,
	})
	s.SignIn = signin.New(signin.Deps{
		DB: s.DB, Accounts: s.Accounts, Tokens: s.Tokens, Audit: record, Passwords: hasher, Limits: s.Limits, Work: gate, Metrics: metrics.New(),
		Box: box, Clock: now, Factors: s.Factors,
		Methods: s.methods(hasher),
		Config:  signin.Config{FreeTries: o.FreeTries, MFA: o.MFA, TrustedDeviceTTL: o.TrustedDeviceTTL},
	})
	if s.cluster != nil {
		s.Tokens.Log.UseClock(s.cluster)
	}
	s.must(s.Tokens.Log.Start(ctx))
	s.must(s.Tokens.CheckClock(ctx))
	s.Handler = s.engine(log)
}

func (s *Server) methods(hasher *passwords.Hasher) []signin.Method {
	list := []signin.Method{s.Passkeys, signin.NewTOTP(s.Factors, s.now), signin.NewRecovery(s.Factors, hasher, s.now)}
	if s.Options.EmailCode {
		list = append(list, signin.NewEmailCode(s.Accounts, s.Tokens.Links))
	}
	return list
}

func (s *Server) engine(log *slog.Logger) http.Handler {
	set := verify.NewKeySet()
	fill := func() {
		var list []verify.Key
		for _, k := range s.Keys.Public() {
			list = append(list, verify.Key{KID: k.KID, Alg: k.Alg, Public: k.Key})
		}
		s.must(set.Set(list))
	}
	fill()
	s.Keys.OnChange(fill)
	options := verify.Options{
		Issuer: s.Options.AppURL, Audience: s.Options.AppURL, Keys: set, Revocations: s.Tokens.Log, Personal: s.Tokens.Personal, Clock: s.now,
	}
	if s.Options.Fresh {
		options.Fresh = s.Tokens.Log.Fresh
	}
	verifier, err := verify.New(options)
	s.must(err)
	parts := s.Options.Parts
	if parts == nil {
		parts = []handlers.Part{{Name: "database", Ready: s.DB.Ready}, {Name: "revocations", Ready: func(context.Context) error { return nil }}}
	}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	s.must(handlers.Routes(engine, handlers.Deps{
		Accounts: s.Accounts, Audit: s.Audit, SignIn: s.SignIn, Passkeys: s.Passkeys, Tokens: s.Tokens, Keys: s.Keys, Mail: s.Mail, Limits: s.Limits, Verifier: verifier,
		Pages: pages(), Metrics: metrics.New(), Log: log, Clock: s.now, Wall: time.Now, Parts: parts,
		Config: handlers.Config{
			AppURL: s.Options.AppURL, TrustedProxies: s.Options.TrustedProxies, DevInbox: !s.Options.NoInbox,
			SignupClosed: s.Options.Signup != accounts.SignupOpen, EmailCode: s.Options.EmailCode, SessionMaxAge: 720 * time.Hour, SessionIdleTTL: 24 * time.Hour,
			AccessTokenTTL: 10 * time.Minute, PasswordMinLength: 8, TrustedDeviceTTL: s.Options.TrustedDeviceTTL,
		},
	}))
	return engine
}

// Send gives the handler one request as it is, and returns its whole answer.
func (s *Server) Send(r *http.Request) *Answer {
	s.T.Helper()
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	res := w.Result()
	return &Answer{T: s.T, Request: r, Response: res, Status: res.StatusCode, Header: res.Header, Body: w.Body.String()}
}

// Request makes a request to the server from this machine.
func (s *Server) Request(method, path, body string, header ...string) *http.Request {
	s.T.Helper()
	target, err := url.Parse(s.Options.AppURL)
	s.must(err)
	r := httptest.NewRequestWithContext(s.T.Context(), method, path, strings.NewReader(body))
	r.Host, r.RemoteAddr = target.Host, "127.0.0.1:40000"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// User makes an account whose address is confirmed.
func (s *Server) User(email, username, password string) *models.User {
	s.T.Helper()
	u, err := s.Accounts.CreateUser(s.T.Context(), accounts.NewUser{
		Email: email, Username: username, Password: password, Roles: []string{"user"}, Verified: true,
	}, tokens.Client{})
	s.must(err)
	return u
}

// Inbox is the development inbox, newest first.
func (s *Server) Inbox() []mail.InboxMessage {
	s.T.Helper()
	list, err := s.Mail.Inbox(s.T.Context())
	s.must(err)
	return list
}

// LastMail is the newest mail in the development inbox.
func (s *Server) LastMail() mail.InboxMessage {
	s.T.Helper()
	list := s.Inbox()
	if len(list) == 0 {
		s.T.Fatal("no mail")
	}
	return list[0]
}
