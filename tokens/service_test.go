package tokens

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/models"
)

// rivals is how many goroutines race for every single-use thing.
const rivals = 32

// room is the room on a real database, with a clock that stands still and a
// chokepoint that looks at "enabled" alone.
type room struct {
	*Service
	t     testing.TB
	db    *database.DB
	clock *testkit.Clock
	deps  Deps
}

func testConfig() Config {
	return Config{
		Issuer: "http://localhost:5000", Audience: "http://localhost:5000",
		AccessTTL: 10 * time.Minute, RefreshTTL: 720 * time.Hour, RefreshIdleTTL: 168 * time.Hour,
		RetryWindow: 30 * time.Second, SessionIdleTTL: 24 * time.Hour, SessionAbsoluteTTL: 720 * time.Hour,
	}
}

// newRoom builds the room; changes are made to its parts first.
func newRoom(t testing.TB, db *database.DB, changes ...func(*Deps)) *room {
	t.Helper()
	clock := testkit.NewClock()
	log := audit.New(db, clock.Now)
	ring, err := keys.Open(t.Context(), keys.Options{
		DB: db, Box: testkit.Box(t), Audit: log, Clock: clock.Now, Alg: "ES256",
	})
	if err != nil {
		t.Fatal(err)
	}
	deps := Deps{
		DB: db, Keys: ring, Audit: log, Box: testkit.Box(t), Clock: clock.Now, Log: testkit.Log(t),
		Admit: func(_ context.Context, s Subject) Verdict { return Verdict{OK: s.Enabled, Reason: "disabled"} },
		Alarm: func(*gorm.DB, models.ID, string) error { return nil }, Config: testConfig(),
	}
	for _, change := range changes {
		change(&deps)
	}
	r := &room{Service: New(deps), t: t, db: db, clock: clock, deps: deps}
	if err := r.Log.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// eachRoom runs a test on every database.
func eachRoom(t *testing.T, test func(t *testing.T, r *room)) {
	t.Helper()
	testkit.EachDB(t, func(t *testing.T, db *database.DB) { test(t, newRoom(t, db)) })
}

// person adds a user and answers its admission.
func (r *room) person(name string) Subject {
	r.t.Helper()
	now := models.At(r.clock.Now())
	u := models.User{
		ID: models.NewID(), Email: name + "@example.org", EmailKey: []byte(name + "@example.org"),
		Roles: "member", TokenEpoch: 1, SessionEpoch: 1, CreatedAt: now, UpdatedAt: now,
	}
	r.write(func(tx *gorm.DB) error { return tx.Create(&u).Error })
	return Subject{ID: u.ID, Enabled: true, Roles: u.Roles, TokenEpoch: 1, SessionEpoch: 1}
}

func (r *room) write(fn func(tx *gorm.DB) error) {
	r.t.Helper()
	if err := r.db.Write(r.t.Context(), fn); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) exec(sql string, args ...any) int64 {
	r.t.Helper()
	rows, err := r.db.Exec(r.t.Context(), sql, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return rows
}

func (r *room) count(sql string, args ...any) (n int64) {
	r.t.Helper()
	if err := r.db.Read(r.t.Context()).Raw(sql, args...).Scan(&n).Error; err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *room) signIn(s Subject, web bool) SignIn {
	return SignIn{
		Subject: s, AuthTime: r.clock.Now(), ACR: "aal1", AMR: []string{"pwd"}, Web: web,
		Client: Client{IP: "192.0.2.7", UserAgent: "Mozilla/5.0", RequestID: "req-1"},
	}
}

// start signs in without any other room.
func (r *room) start(in SignIn) (started Started) {
	r.t.Helper()
	r.write(func(tx *gorm.DB) (err error) {
		started, err = r.Sessions.Start(tx, in)
		return err
	})
	return started
}

func (r *room) browser(s Subject) Started { r.t.Helper(); return r.start(r.signIn(s, true)) }

// program adds a session with a family under it.
func (r *room) program(s Subject) Started {
	r.t.Helper()
	started := r.start(r.signIn(s, false))
	row := started.Session
	r.exec(`INSERT INTO refresh_families (id, session_id, user_id, client_id, scope, audience, generation, cur_hash,
 created_at, idle_until, absolute_until, ended_why) VALUES (?, ?, ?, 'gatehouse', '', '', 1, ?, ?, ?, ?, '')`,
		models.NewID(), started.ID, s.ID, make([]byte, 32), row.CreatedAt,
		models.At(r.clock.Now().Add(r.deps.Config.RefreshIdleTTL)), row.AbsoluteUntil)
	return started
}

// live looks a cookie up and must not fail.
func (r *room) live(cookie string) *Session {
	r.t.Helper()
	s, err := r.Sessions.ByCookie(r.t.Context(), cookie)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// wantReason fails unless err has the stable word.
func wantReason(t testing.TB, err error, reason string) {
	t.Helper()
	if err == nil || apperr.Reason(err) != reason {
		t.Fatalf("got %v, want the reason %q", err, reason)
	}
}

// race runs fn in many goroutines that start together and counts those that
// answer true.
func race(t testing.TB, fn func() bool) int {
	t.Helper()
	var group sync.WaitGroup
	start, won := make(chan struct{}), make(chan bool, rivals)
	for range rivals {
		group.Go(func() {
			<-start
			won <- fn()
		})
	}
	close(start)
	group.Wait()
	close(won)
	n := 0
	for w := range won {
		if w {
			n++
		}
	}
	return n
}

func TestNewWithoutAChokepointStopsTheStart(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("New accepted a missing Admit")
		}
	}()
	New(Deps{})
}

func TestWhatAVisitorSendsFitsTheColumns(t *testing.T) {
	c := Client{IP: strings.Repeat("9", 99), UserAgent: "a\x00b\xffc\u202e" + strings.Repeat("ü", 600)}.Stored()
	if len(c.IP) != maxIP || !strings.HasPrefix(c.UserAgent, "abcü") || len([]rune(c.UserAgent)) != maxUserAgent {
		t.Errorf("got %d characters of address and %q", len(c.IP), c.UserAgent)
	}
}

func TestTrimDeletesOnlyWhatNobodyCanUse(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		for range 3 {
			r.browser(anna)
			r.program(anna)
			r.link(NewLink{Kind: VerifyEmail, TTL: 720 * time.Hour})
		}
		r.clock.Advance(719 * time.Hour)
		kept, keptLink := r.browser(anna), r.link(NewLink{Kind: VerifyEmail, TTL: 2 * time.Hour})
		r.clock.Advance(time.Hour)
		if err := r.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.live(kept.Cookie.Reveal()) == nil {
			t.Error("a live session was trimmed")
		}
		if _, err := r.Links.Peek(t.Context(), VerifyEmail, keptLink.Token.Reveal()); err != nil {
			t.Errorf("a live link was trimmed: %v", err)
		}
		for table, want := range map[string]int64{"sessions": 1, "refresh_families": 0, "one_time_tokens": 1} {
			if n := r.count("SELECT COUNT(*) FROM " + table); n != want {
				t.Errorf("%s: %d rows left, want %d", table, n, want)
			}
		}
	})
}

func TestTrimGoesOnUntilNothingDeadIsLeft(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		r.write(func(tx *gorm.DB) error {
			for range trimBatch + 7 {
				if _, err := r.Links.Create(tx, NewLink{Kind: Setup, TTL: time.Second}); err != nil {
					return err
				}
			}
			return nil
		})
		r.clock.Advance(time.Second)
		if err := r.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := r.count("SELECT COUNT(*) FROM one_time_tokens"); n != 0 {
			t.Errorf("%d dead links are left", n)
		}
	})
}
