// Package testrooms builds what the tests of accounts and signin stand on: the
// rooms below them, on a test's own database and under a clock moved by hand.
// Only tests import it.
package testrooms

import (
	"testing"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/mail"
	"gatehouse/tokens"
)

// URL is the address of the server in these tests.
const URL = "http://localhost:5000"

// Visitor is who asks when a test does not care.
var Visitor = tokens.Client{IP: "192.0.2.1", UserAgent: "test", RequestID: "r1", Locale: "en"}

// CheapHash is the cost of hashes in tests.
var CheapHash = passwords.Params{MemoryKiB: 64, Time: 1, Threads: 1}

// Rooms are the rooms below accounts, and their tools.
type Rooms struct {
	DB     *database.DB
	Clock  *testkit.Clock
	Box    *secrets.Box
	Audit  *audit.Log
	Keys   *keys.Ring
	Mail   *mail.Mailer
	Tokens *tokens.Service
	Limits *ratelimit.Limits
	Hasher *passwords.Hasher
}

// New builds them. Mail goes to the development inbox; admit is the chokepoint,
// which accounts owns.
func New(t testing.TB, db *database.DB, admit tokens.AdmitFunc) Rooms {
	t.Helper()
	r := Rooms{DB: db, Clock: testkit.NewClock(), Box: testkit.Box(t)}
	now := r.Clock.Now
	r.Audit, r.Limits = audit.New(db, now), ratelimit.NewLimits(ratelimit.New(now, 0), nil)
	r.Hasher = passwords.New(passwords.Options{Concurrency: 4, Queue: 1000, MaxWait: time.Minute, Params: CheapHash})
	var err error
	if r.Keys, err = keys.Open(t.Context(), keys.Options{DB: db, Box: r.Box, Audit: r.Audit, Clock: now, Alg: "ES256"}); err != nil {
		t.Fatal(err)
	}
	if r.Mail, err = mail.New(mail.Deps{DB: db, Box: r.Box, Clock: now, Dev: true, AppName: "Gatehouse", BaseURL: URL}); err != nil {
		t.Fatal(err)
	}
	r.Tokens = tokens.New(tokens.Deps{
		DB: db, Keys: r.Keys, Audit: r.Audit, Box: r.Box, Clock: now, Admit: admit,
		Config: tokens.Config{
			Issuer: URL, Audience: URL, AccessTTL: 10 * time.Minute, RefreshTTL: 720 * time.Hour, RefreshIdleTTL: 168 * time.Hour,
			RetryWindow: 30 * time.Second, SessionIdleTTL: 24 * time.Hour, SessionAbsoluteTTL: 720 * time.Hour,
		},
	})
	if err := r.Tokens.Log.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}
