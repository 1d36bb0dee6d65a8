package tokens

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
)

// learning is a room that learns the time from a clock that can be set. Its own
// clock runs on whatever happens to that one.
type learning struct {
	*room
	wall, own *testkit.Clock
}

func newLearning(t testing.TB, db *database.DB, wall *testkit.Clock) *learning {
	t.Helper()
	own := testkit.NewClock()
	own.Advance(wall.Now().Sub(own.Now()))
	c := NewClusterClock(own.Now)
	c.Tell(wall.Now)
	if err := c.Learn(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	r := newRoom(t, db, func(d *Deps) {
		d.Clock, d.Audit = c.Now, audit.New(db, c.Now)
		ring, err := keys.Open(t.Context(), keys.Options{DB: db, Box: testkit.Box(t), Audit: d.Audit, Clock: c.Now, Alg: "ES256"})
		if err != nil {
			t.Fatal(err)
		}
		d.Keys = ring
	})
	r.clock = wall
	r.Log.UseClock(c)
	l := &learning{r, wall, own}
	l.learn()
	return l
}

func (l *learning) learn() {
	l.t.Helper()
	if err := l.Log.learn(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *learning) pass(d time.Duration) {
	l.wall.Advance(d)
	l.own.Advance(d)
}

func (l *learning) kid() string { return l.deps.Keys.Signer().KID }

func (l *learning) events(action string) (n int64) {
	l.t.Helper()
	if err := l.db.Read(l.t.Context()).Raw("SELECT COUNT(*) FROM audit_events WHERE action = ?", action).Scan(&n).Error; err != nil {
		l.t.Fatal(err)
	}
	return n
}

func eachLearning(t *testing.T, test func(t *testing.T, l *learning)) {
	t.Helper()
	testkit.EachDB(t, func(t *testing.T, db *database.DB) { test(t, newLearning(t, db, testkit.NewClock())) })
}

// TestAnEndingThatIsForgottenDoesNotComeBackWithTheClock lets the log forget an
// ending when its token has expired, and then makes the token young again.
func TestAnEndingThatIsForgottenDoesNotComeBackWithTheClock(t *testing.T) {
	eachLearning(t, func(t *testing.T, l *learning) {
		s := l.browser(l.person("anna"))
		token, err := l.Access.ForSession(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		p, err := l.verifierOf(l.deps.Keys).Verify(t.Context(), token.Token.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		l.write(func(tx *gorm.DB) error { return l.Log.Append(tx, Entry{Kind: EntrySession, Target: s.ID.Bytes()}) })
		for range 2 {
			for range 2 {
				if err := l.Log.Tend(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			sealed(t, l.Log, 1)
			l.pass(31 * time.Minute)
		}
		if err := l.Log.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l.Log.Revoked(p) {
			t.Fatal("the log has not forgotten yet")
		}
		l.wall.Advance(-time.Hour)
		l.learn()
		if !l.young(token) {
			t.Fatal("the token is not one that the clock makes young again")
		}
		p, err = l.verifierOf(l.deps.Keys).Verify(t.Context(), token.Token.Reveal())
		if err == nil && !l.Log.Revoked(p) {
			t.Error("an ended token is good again")
		}
	})
}

// young reports whether the times of the token are good now.
func (l *learning) young(a AccessToken) bool {
	now := l.deps.Clock()
	return !now.Before(a.IssuedAt) && now.Before(a.ExpiresAt)
}

func TestAClockThatGoesBackEndsTheKeysOfBeforeOnceOnAllNodes(t *testing.T) {
	url := testkit.MySQLURL(t)
	wall := testkit.NewClock()
	a := newLearning(t, testkit.Open(t, url, wall.Now), wall)
	b := newLearning(t, testkit.Open(t, url, wall.Now), wall)
	before := a.kid()
	wall.Advance(-time.Hour)
	for _, l := range []*learning{a, b, a, b} {
		l.learn()
	}
	if err := b.deps.Keys.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.kid() == before || a.kid() != b.kid() {
		t.Errorf("the keys are %s and %s, and %s before", a.kid(), b.kid(), before)
	}
	if n, m := a.events("clock.went_back"), a.events("key.revoked"); n != 1 || m != 1 {
		t.Errorf("%d times on record, with %d keys", n, m)
	}
}

func TestSmallStepsAreBorneAndAddUp(t *testing.T) {
	eachLearning(t, func(t *testing.T, l *learning) {
		before := l.kid()
		for range 10 { // a clock that is tuned, to both sides
			l.wall.Advance(-40 * time.Second)
			l.learn()
			l.wall.Advance(40 * time.Second)
			l.learn()
		}
		l.wall.Advance(3 * time.Hour)
		l.learn()
		if l.kid() != before {
			t.Fatal("a key was ended for nothing")
		}
		for range 2 {
			l.wall.Advance(-40 * time.Second)
			l.learn()
		}
		if l.kid() == before {
			t.Error("steps of 80 seconds back ended nothing")
		}
	})
}

// TestASlowClockIsNoStepBack keeps keys alive beside a database whose clock
// loses a second in every turn, and never goes back.
func TestASlowClockIsNoStepBack(t *testing.T) {
	eachLearning(t, func(t *testing.T, l *learning) {
		before := l.kid()
		for range 200 {
			l.pass(10 * time.Second)
			l.wall.Advance(-time.Second)
			l.learn()
		}
		if l.kid() != before {
			t.Error("a key was ended, and no time ever came twice")
		}
	})
}

func TestAJumpThatCannotBeReactedToIsNotSeenByTheRooms(t *testing.T) {
	eachLearning(t, func(t *testing.T, l *learning) {
		now, broken := l.deps.Clock(), errors.New("the database is away")
		react := l.Log.wentBack
		l.Log.wentBack = func(context.Context, time.Duration) error { return broken }
		l.wall.Advance(-time.Hour)
		if err := l.Log.learn(t.Context()); !errors.Is(err, broken) || l.deps.Clock().Before(now) {
			t.Fatalf("got %v, and the time is %v", err, l.deps.Clock())
		}
		l.Log.wentBack = react
		l.learn()
		if !l.deps.Clock().Equal(l.wall.Now()) || l.events("clock.went_back") != 1 {
			t.Errorf("the time is %v", l.deps.Clock())
		}
	})
}

func TestAStartNoticesAClockThatWentBackMeanwhile(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		wall := testkit.NewClock()
		old := newLearning(t, db, wall)
		before := old.kid()
		if _, err := old.deps.Audit.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		wall.Advance(-time.Hour)
		for range 2 { // the second start has nothing to notice
			l := newLearning(t, db, wall)
			if err := l.CheckClock(t.Context()); err != nil {
				t.Fatal(err)
			}
			if l.kid() == before || l.events("clock.went_back") != 1 {
				t.Errorf("%d times on record", l.events("clock.went_back"))
			}
		}
	})
}

func TestAJumpIsSaidOnce(t *testing.T) {
	eachLearning(t, func(t *testing.T, l *learning) {
		var log bytes.Buffer
		l.Log.log = slog.New(slog.NewTextHandler(&log, nil))
		l.wall.Advance(24 * time.Hour)
		for range 3 {
			l.learn()
			l.pass(10 * time.Second)
		}
		if n := strings.Count(log.String(), "the clock jumped"); n != 1 || !strings.Contains(log.String(), "24h0m0s") {
			t.Errorf("said %d times\n%s", n, log.String())
		}
	})
}

// TestANodeIsNotForgottenByAClockThatIsADayAhead keeps the rows by which receipts
// know whom to wait for.
func TestANodeIsNotForgottenByAClockThatIsADayAhead(t *testing.T) {
	url := testkit.MySQLURL(t)
	wall := testkit.NewClock()
	a := newLearning(t, testkit.Open(t, url, wall.Now), wall)
	newLearning(t, testkit.Open(t, url, wall.Now), wall)
	a.pass(2 * settledAfter)
	wall.Advance(25 * time.Hour)
	a.learn()
	if err := a.Log.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, a.Log, "nodes"); n != 2 {
		t.Fatalf("%d nodes are left of two that live", n)
	}
	a.pass(settledAfter)
	if err := errors.Join(a.Log.beat(t.Context()), a.Log.Trim(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, a.Log, "nodes"); n != 1 {
		t.Errorf("%d nodes: the one that is dead is kept", n)
	}
}

func TestAnOldRefreshTokenIsNoRetryWhenTheClockGoesBack(t *testing.T) {
	now := testkit.NewClock().Now()
	const window = 30 * time.Second
	for at, want := range map[time.Duration]verdict{
		-20 * time.Second: repeat, -time.Minute: reused, // as ever
		20 * time.Second: repeat, // another node's clock, or one that was tuned
		time.Hour:        reused, 24 * time.Hour: reused,
	} {
		var spent, current secrets.Hash
		spent[0], current[0] = 1, 2
		l := line{generation: 2, hash: current, recent: []used{{generation: 1, hash: spent, at: now.Add(at)}}}
		if got, _ := l.judge(1, spent, now, window); got != want {
			t.Errorf("used at %v: got %v, want %v", at, got, want)
		}
	}
	l := line{generation: 17}
	for i := range maxRotations {
		l.recent = append(l.recent, used{generation: uint32(i + 1), at: now.Add(time.Hour)})
	}
	if got, _ := l.judge(17, secrets.Hash{}, now, window); got != rotate {
		t.Errorf("a client that refreshed before the clock went back: got %v", got)
	}
}
