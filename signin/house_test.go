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
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testkit"
	"gatehouse/internal/testrooms"
	"gatehouse/models"
	"gatehouse/tokens"
)

// rivals is how many goroutines race for the slots of one counter.
const rivals = 32

const (
	right = "correct horse battery staple"
	wrong = "incorrect horse battery"
)

var visitor = testrooms.Visitor

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
	r := testrooms.New(t, db, accounts.Admit)
	now, factors := r.Clock.Now, NewFactors(db, r.Box)
	room := accounts.New(accounts.Deps{
		DB: db, Tokens: r.Tokens, Mail: r.Mail, Audit: r.Audit, Passwords: r.Hasher, Limits: r.Limits, Clock: now,
		Factors: factors.Store(),
		Config: accounts.Config{
			Signup: accounts.SignupOpen, EmailVerification: accounts.VerificationRequired, BaseURL: testrooms.URL,
			MailPerAddress: ratelimit.Rule{N: 5, Per: time.Hour},
		},
	})
	passkeys := NewPasskeys(PasskeyDeps{
		DB: db, Accounts: room, Audit: r.Audit, Limits: r.Limits, Clock: now, AppURL: testrooms.URL,
	})
	d := Deps{
		DB: db, Accounts: room, Tokens: r.Tokens, Audit: r.Audit, Passwords: r.Hasher, Limits: r.Limits, Box: r.Box, Clock: now,
		Factors: factors, Methods: []Method{passkeys, NewTOTP(factors, now), NewRecovery(factors, r.Hasher, now)},
	}
	for _, change := range changes {
		change(&d)
	}
	return &house{Flow: New(d), t: t, db: db, clock: r.Clock, keys: passkeys}
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

// counters is how many runs hold a try.
func (h *house) counters() int64 {
	return h.count("SELECT COUNT(*) FROM throttle_counters WHERE tries > 0")
}

// tries is the sum over all runs. That of a stranger is in two.
func (h *house) tries() int64 {
	return h.count("SELECT COALESCE(SUM(tries), 0) FROM throttle_counters")
}

// recorded is how many events of that kind have that reason.
func (h *house) recorded(action audit.Action, reason string) int64 {
	return h.count("SELECT COUNT(*) FROM audit_events WHERE action = ? AND reason = ?", string(action), reason)
}

// race runs f in many goroutines at once and counts the answers by reason.
func race(f func(i int) error) map[string]int { return testkit.Answers(rivals, f) }

var wantReason = testkit.WantReason

// counting is a method that says no and counts how often it was asked.
type counting struct {
	Method
	mu     sync.Mutex
	asked  int
	fail   error
	looked bool // beside fail
}

func (c *counting) Verify(context.Context, Offer) (Verdict, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return Verdict{Looked: c.looked}, c.fail
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

// network is a visitor from another network for each i.
func network(i int) tokens.Client {
	return tokens.Client{IP: fmt.Sprintf("198.18.%d.%d", i/250, 1+i%250), UserAgent: "test", Locale: "en"}
}

// from is try from a network.
func (h *house) from(i int, login, secret string) string {
	h.t.Helper()
	_, err := h.SignIn(h.ctx(), Input{Login: login, Password: secret, Client: network(i)})
	return apperr.Reason(err)
}

// limited gives one limit of the table a rule; the others are off.
func limited(name ratelimit.Name, n int, per time.Duration) func(*Deps) {
	return func(d *Deps) {
		d.Limits = ratelimit.NewLimits(ratelimit.New(d.Clock, 0), map[ratelimit.Name]ratelimit.Rule{name: {N: n, Per: per}})
	}
}
