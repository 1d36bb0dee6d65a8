package signin

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// rivals is how many goroutines race for the slots of one counter.
const rivals = 32

const (
	right = "correct horse battery staple"
	wrong = "incorrect horse battery"
)

var visitor = tokens.Client{IP: "192.0.2.1", UserAgent: "test", RequestID: "r1", Locale: "en"}

// cheap is the cost of hashes in tests.
var cheap = passwords.Params{MemoryKiB: 64, Time: 1, Threads: 1}

// house is the room with everything it works with, on a real database.
type house struct {
	*Flow
	t     testing.TB
	db    *database.DB
	clock *testkit.Clock
	keys  *Passkeys
}

func newHouse(t testing.TB, db *database.DB, changes ...func(*Deps)) *house {
	t.Helper()
	clock := testkit.NewClock()
	box, log := testkit.Box(t), audit.New(db, clock.Now)
	ring, err := keys.Open(t.Context(), keys.Options{DB: db, Box: box, Audit: log, Clock: clock.Now, Alg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	mailer, err := mail.New(mail.Deps{
		DB: db, Box: box, Clock: clock.Now, Dev: true, AppName: "Gatehouse", BaseURL: "http://localhost:5000",
	})
	if err != nil {
		t.Fatal(err)
	}
	toks := tokens.New(tokens.Deps{
		DB: db, Keys: ring, Audit: log, Box: box, Clock: clock.Now, Admit: accounts.Admit,
		Config: tokens.Config{
			Issuer: "http://localhost:5000", Audience: "http://localhost:5000", AccessTTL: 10 * time.Minute,
			RefreshTTL: 720 * time.Hour, RefreshIdleTTL: 168 * time.Hour, RetryWindow: 30 * time.Second,
			SessionIdleTTL: 24 * time.Hour, SessionAbsoluteTTL: 720 * time.Hour,
		},
	})
	if err := toks.Log.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	limits := ratelimit.New(clock.Now, 0)
	hasher := passwords.New(passwords.Options{Concurrency: 4, Queue: 1000, MaxWait: time.Minute, Params: cheap})
	d := Deps{
		DB: db, Tokens: toks, Audit: log, Passwords: hasher, Limits: limits, Box: box, Clock: clock.Now,
		Accounts: accounts.New(accounts.Deps{
			DB: db, Tokens: toks, Mail: mailer, Audit: log, Passwords: hasher, Limits: limits, Clock: clock.Now,
			Factors: NewFactors(db, box).Store(),
			Config: accounts.Config{
				Signup: accounts.SignupOpen, EmailVerification: accounts.VerificationRequired, BaseURL: "http://localhost:5000",
				MailPerAddress: ratelimit.Rule{N: 5, Per: time.Hour},
			},
		}),
	}
	d.Factors = NewFactors(db, box)
	passkeys := NewPasskeys(PasskeyDeps{
		DB: db, Accounts: d.Accounts, Audit: log, Limits: limits, Clock: clock.Now, AppURL: "http://localhost:5000",
	})
	d.Methods = []Method{passkeys, NewTOTP(d.Factors, clock.Now), NewRecovery(d.Factors, hasher, clock.Now)}
	for _, change := range changes {
		change(&d)
	}
	return &house{Flow: New(d), t: t, db: db, clock: clock, keys: passkeys}
}

func eachHouse(t *testing.T, test func(t *testing.T, h *house), changes ...func(*Deps)) {
	t.Helper()
	testkit.EachDB(t, func(t *testing.T, db *database.DB) { test(t, newHouse(t, db, changes...)) })
}

func (h *house) ctx() context.Context { return h.t.Context() }

// person is an account with the right password.
func (h *house) person(email, username string) *models.User {
	h.t.Helper()
	return h.create(accounts.NewUser{Email: email, Username: username, Password: right, Verified: true})
}

func (h *house) create(in accounts.NewUser) *models.User {
	h.t.Helper()
	u, err := h.Accounts.CreateUser(h.ctx(), in, visitor)
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// try signs a program in and answers the reason of a refusal.
func (h *house) try(login, secret string) string {
	h.t.Helper()
	_, err := h.SignIn(h.ctx(), Input{Login: login, Password: secret, Client: visitor})
	return apperr.Reason(err)
}

// reproof proves a session again by the password.
func (h *house) reproof(user, session models.ID, secret string) (tokens.Proof, error) {
	proof, _, err := h.Reauth(h.ctx(), Reproof{User: user, Session: session, Secret: secret, Client: visitor})
	return proof, err
}

func (h *house) count(query string, args ...any) (n int64) {
	h.t.Helper()
	if err := h.db.Read(h.ctx()).Raw(query, args...).Scan(&n).Error; err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) counters() int64 { return h.count("SELECT COUNT(*) FROM throttle_counters") }

// tries is the sum over all counters.
func (h *house) tries() int64 {
	return h.count("SELECT COALESCE(SUM(tries), 0) FROM throttle_counters")
}

// recorded is how many events of that kind have that reason.
func (h *house) recorded(action audit.Action, reason string) int64 {
	return h.count("SELECT COUNT(*) FROM audit_events WHERE action = ? AND reason = ?", string(action), reason)
}

// race runs f in many goroutines at once and counts the answers by reason; ""
// is success.
func race(f func(i int) error) map[string]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	answers, begin := map[string]int{}, make(chan struct{})
	for i := range rivals {
		wg.Go(func() {
			<-begin
			why := apperr.Reason(f(i))
			mu.Lock()
			defer mu.Unlock()
			answers[why]++
		})
	}
	close(begin)
	wg.Wait()
	return answers
}

func wantReason(t testing.TB, err error, want string) {
	t.Helper()
	if got := apperr.Reason(err); got != want {
		t.Errorf("answer %q (%v), want %q", got, err, want)
	}
}

// counting is a method that says no and counts how often it was asked.
type counting struct {
	Method
	mu    sync.Mutex
	asked int
	fail  error
}

func (c *counting) Verify(context.Context, Offer) (Verdict, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return Verdict{}, c.fail
	}
	c.asked++
	return Verdict{}, nil
}

func (h *house) counting() *counting {
	c := &counting{Method: h.password}
	h.password = c
	return c
}

func address(i int) string { return fmt.Sprintf("person%d@example.com", i) }
