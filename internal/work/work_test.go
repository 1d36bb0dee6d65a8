package work

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// node is a server of the cluster: a gate of its own over the shared database.
type node struct {
	*Gate
	clock *testkit.Clock
	level int // what the strangers' queue says
}

func newNode(t testing.TB, db *database.DB, clock *testkit.Clock) *node {
	n := &node{clock: clock, level: 1}
	queue := func() (int, int) {
		if n.level == 0 {
			return 0, 64
		}
		return 33 + 8*(n.level-1), 64
	}
	n.Gate = New(db, testkit.Box(t), clock.Now, &Pressure{Clock: clock.Now, Queue: queue})
	return n
}

func eachNode(t *testing.T, test func(t *testing.T, n *node)) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) { test(t, newNode(t, db, testkit.NewClock())) })
}

func program() Ask { return Ask{Purpose: "login", Name: "ada", Network: "192.0.2.1"} }
func browser() Ask {
	return Ask{Purpose: "login", Network: "192.0.2.1", Shown: Shown{Browser: "cookie"}}
}

// easy is the challenge of an ask with little work: its signature is ours.
func (n *node) easy(a Ask) Challenge {
	head := version + ".4." + "1767323165." + text64.EncodeToString(make([]byte, nonceSize))
	return Challenge{Text: head + "." + text64.EncodeToString(n.tag(a, head)), Bits: 4, Life: challengeLife}
}

// asked is what a refusal asks for.
func asked(t testing.TB, err error, reason string) Wanted {
	t.Helper()
	w, ok := Of(err)
	if e := apperr.From(err); !ok || e.Kind != apperr.Throttled || e.Reason != reason || e.RetryAfter <= 0 {
		t.Fatalf("got %v, want %s", err, reason)
	}
	return w
}

func (a Ask) with(answer string) Ask { a.Answer = answer; return a }

func TestAnAnswerOpensOnceForItsPurposeAndItsHolder(t *testing.T) {
	eachNode(t, func(t *testing.T, n *node) {
		for _, a := range []Ask{program(), browser()} {
			w := asked(t, n.Pass(t.Context(), a), ReasonRequired)
			if w.Challenge.Bits != baseBits || w.Challenge.Life != 2*time.Minute {
				t.Errorf("asked for %+v", w.Challenge)
			}
			good := Solve(w.Challenge)
			for name, other := range map[string]Ask{
				"another purpose": {Purpose: "signup", Name: a.Name, Network: a.Network, Shown: Shown{Browser: a.Browser}},
				"another browser": {Purpose: "login", Name: a.Name, Network: a.Network, Shown: Shown{Browser: "other"}},
				"no browser":      {Purpose: "login", Name: "bob", Network: a.Network},
				"another network": {Purpose: "login", Name: a.Name, Network: "192.0.2.2"},
			} {
				if err := n.Pass(t.Context(), other.with(good)); err == nil {
					t.Errorf("it opened for %s", name)
				}
			}
			if err := n.Pass(t.Context(), a.with(good)); err != nil {
				t.Fatal("a right answer is refused", err)
			}
			asked(t, n.Pass(t.Context(), a.with(good)), ReasonRequired)
		}
	})
}

func TestAnAnswerThatWasShownToOneNodeIsNoneForTheOther(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		one, other := newNode(t, db, clock), newNode(t, db, clock)
		good := Solve(asked(t, one.Pass(t.Context(), program()), ReasonRequired).Challenge)
		if err := other.Pass(t.Context(), program().with(good)); err != nil {
			t.Fatal("a challenge of another node is refused", err)
		}
		asked(t, one.Pass(t.Context(), program().with(good)), ReasonRequired)
	})
}

func TestOfThirtyTwoWithOneAnswerOnePasses(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		nodes := []*node{newNode(t, db, clock), newNode(t, db, clock)}
		good := Solve(nodes[0].easy(program()))
		var passed atomic.Int64
		var all sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				if err := nodes[i%2].Pass(context.Background(), program().with(good)); err == nil {
					passed.Add(1)
				} else if apperr.Reason(err) != ReasonRequired {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 {
			t.Errorf("%d of 32 passed, want 1", passed.Load())
		}
	})
}

func TestWhatIsNoSolutionOfAChallengeOfOursOpensNothing(t *testing.T) {
	n := newNode(t, testkit.DB(t), testkit.NewClock())
	easy := n.easy(program())
	good := Solve(easy)
	parts := strings.Split(good, ".")
	spelled := func(i int, s string) string {
		p := append([]string{}, parts...)
		p[i] = s
		return strings.Join(p, ".")
	}
	var unsolved string
	for k := 0; unsolved == "" || zeros(unsolved) >= easy.Bits; k++ {
		unsolved = easy.Text + "." + strings.Repeat("1", k+1)
	}
	for name, s := range map[string]string{
		"nothing": "", "no work": unsolved, "the challenge alone": easy.Text, "fewer bits": spelled(1, "1"), "a later end": spelled(2, "1999999999"),
		"another nonce": spelled(3, "AAAAAAAAAAAAAAAAAAAAAQ"), "another tag": spelled(4, "AAAAAAAAAAAAAAAAAAAAAA"), "another version": spelled(0, "gh2"),
		"a leading zero": spelled(5, "0"+parts[5]), "a sign": spelled(5, "+"+parts[5]), "a space": good + " ", "a newline": good + "\n",
		"trailing bits": spelled(3, parts[3][:21]+"B"), "padding": spelled(3, parts[3]+"=="), "more": good + ".1", "long": strings.Repeat("1", 5000),
	} {
		if err := n.Pass(t.Context(), program().with(s)); err == nil {
			t.Errorf("%s: %q passed", name, s)
		}
	}
	if err := n.Pass(t.Context(), program().with(good)); err != nil {
		t.Error("the one spelling is refused", err)
	}
}

func TestAChallengeEndsAfterTwoMinutes(t *testing.T) {
	n := newNode(t, testkit.DB(t), testkit.NewClock())
	solve := func() string {
		c := *n.Gate.Challenge(program())
		c.Bits = baseBits
		return Solve(c)
	}
	late, early := solve(), solve()
	n.clock.Advance(challengeLife - time.Second)
	if err := n.Pass(t.Context(), program().with(early)); err != nil {
		t.Error("refused before its end", err)
	}
	n.clock.Advance(time.Second)
	asked(t, n.Pass(t.Context(), program().with(late)), ReasonRequired)
}

func TestWithoutPressureNobodyIsAsked(t *testing.T) {
	n := newNode(t, testkit.DB(t), testkit.NewClock())
	n.level = 0
	if n.Gate.Challenge(browser()) != nil {
		t.Error("a form has a challenge")
	}
	for _, s := range []string{"", "nonsense", "gh1.1.1.1.1.1"} {
		if err := n.Pass(t.Context(), program().with(s)); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	var off *Gate
	if off.Pass(t.Context(), program()) != nil || off.Challenge(program()) != nil || off.Trim(t.Context()) != nil {
		t.Error("a gate that is off asks")
	}
	off.Failed()
}

func TestWorkGrowsWithPressure(t *testing.T) {
	n := newNode(t, testkit.DB(t), testkit.NewClock())
	for level, want := range map[int]int{1: 18, 2: 19, 4: 21, 5: 22} {
		n.level = level
		if got := n.Gate.Challenge(program()).Bits; got != want {
			t.Errorf("level %d asks for %d bits, want %d", level, got, want)
		}
	}
}

// A script writes the counter into what is left of one block of SHA-256.
func TestAChallengeLeavesRoomForTheCounterInOneBlock(t *testing.T) {
	n := newNode(t, testkit.DB(t), testkit.NewClock())
	c := n.Gate.Challenge(program())
	if rest := (len(c.Text) + 1) % 64; rest+mostDigits+9 > 64 {
		t.Errorf("%d bytes of %q are in the last block", rest, c.Text)
	}
}

func TestPressureIsFailuresOrAQueue(t *testing.T) {
	clock := testkit.NewClock()
	waiting := 0
	p := &Pressure{Clock: clock.Now, From: 10, Per: time.Minute, Queue: func() (int, int) { return waiting, 100 }}
	fail := func(n, want int) {
		t.Helper()
		for range n {
			p.Failed()
		}
		if got := p.Level(); got != want {
			t.Errorf("level %d, want %d", got, want)
		}
	}
	fail(9, 0)
	fail(1, 1)
	fail(9, 1)
	fail(1, 2)
	fail(20, 3)
	fail(1000, 5)
	for minutes, want := range []int{5, 5, 0} {
		if minutes > 0 {
			clock.Advance(time.Minute)
		}
		if got := p.Level(); minutes == 0 && got != want || minutes == 2 && got != want {
			t.Errorf("after %d minutes: %d, want %d", minutes, got, want)
		}
	}
	for n, want := range map[int]int{0: 0, 50: 0, 51: 1, 63: 2, 75: 3, 88: 4, 100: 5} {
		waiting = n
		if got := p.Level(); got != want {
			t.Errorf("%d wait: %d, want %d", n, got, want)
		}
	}
	var none *Pressure
	none.Failed()
	if none.Level() != 0 {
		t.Error("nothing presses")
	}
}

func scriptless() Ask { a := browser(); a.Scriptless = true; return a }

func TestWithoutAScriptAStrangerWaitsInstead(t *testing.T) {
	eachNode(t, func(t *testing.T, n *node) {
		err := n.Pass(t.Context(), scriptless())
		w, wait := asked(t, err, ReasonWait), apperr.From(err).RetryAfter
		if w.Ticket == "" || wait < slot || wait > 2*slot {
			t.Fatalf("told to wait %s with %q", wait, w.Ticket)
		}
		n.clock.Advance(wait - time.Second)
		err = n.Pass(t.Context(), scriptless().with(w.Ticket))
		if again := asked(t, err, ReasonWait); again.Ticket != w.Ticket || apperr.From(err).RetryAfter != time.Second {
			t.Errorf("a second too early: %+v, %v", again, apperr.From(err).RetryAfter)
		}
		n.clock.Advance(time.Second)
		for name, other := range map[string]Ask{
			"another purpose": {Purpose: "signup", Network: "192.0.2.1", Shown: Shown{Browser: "cookie"}}, "another browser": {Purpose: "login", Network: "192.0.2.1", Shown: Shown{Browser: "b"}},
		} {
			if n.Pass(t.Context(), other.with(w.Ticket)) == nil {
				t.Errorf("the ticket opened for %s", name)
			}
		}
		if err := n.Pass(t.Context(), scriptless().with(w.Ticket)); err != nil {
			t.Fatal("a ticket whose time has come is refused", err)
		}
		if n.Pass(t.Context(), scriptless().with(w.Ticket)) == nil {
			t.Error("a ticket opened twice")
		}
	})
}

func TestWaitingInParallelGainsNothing(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		nodes := []*node{newNode(t, db, clock), newNode(t, db, clock)}
		var mu sync.Mutex
		waits := map[time.Duration]string{}
		var all sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				a := scriptless()
				a.Browser += strings.Repeat("x", i)
				err := nodes[i%2].Pass(context.Background(), a)
				w, _ := Of(err)
				if w.Ticket == "" {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				wait := apperr.From(err).RetryAfter
				if waits[wait] != "" {
					t.Errorf("two may come after %s", wait)
				}
				waits[wait] = w.Ticket
			})
		}
		all.Wait()
		if len(waits) != mostSlots {
			t.Errorf("%d tickets, want %d", len(waits), mostSlots)
		}
		other := scriptless()
		other.Network = "198.51.100.1"
		if w, _ := Of(nodes[0].Pass(t.Context(), other)); w.Ticket == "" {
			t.Error("another network waits for this one")
		}
	})
}

// What was made when the clock was ahead is neither good for as long, nor good
// again, nor something that anybody has to wait for.
func TestAClockThatGoesBackMakesNothingGoodForLonger(t *testing.T) {
	eachNode(t, func(t *testing.T, n *node) {
		used := Solve(asked(t, n.Pass(t.Context(), program()), ReasonRequired).Challenge)
		kept := Solve(asked(t, n.Pass(t.Context(), browser()), ReasonRequired).Challenge)
		if err := n.Pass(t.Context(), program().with(used)); err != nil {
			t.Fatal(err)
		}
		ticket := asked(t, n.Pass(t.Context(), scriptless()), ReasonWait).Ticket
		for _, back := range []time.Duration{time.Hour, 24 * time.Hour} {
			n.clock.Advance(-back)
			asked(t, n.Pass(t.Context(), program().with(used)), ReasonRequired)
			asked(t, n.Pass(t.Context(), browser().with(kept)), ReasonRequired)
			err := n.Pass(t.Context(), scriptless().with(ticket))
			if w := asked(t, err, ReasonWait); w.Ticket == ticket || apperr.From(err).RetryAfter > mostSlots*slot {
				t.Errorf("%v back: somebody waits for %v", back, apperr.From(err).RetryAfter)
			}
			n.clock.Advance(back)
			asked(t, n.Pass(t.Context(), program().with(used)), ReasonRequired)
		}
		if err := n.Pass(t.Context(), browser().with(kept)); err != nil {
			t.Error("an answer that is good by the right clock is refused:", err)
		}
	})
}

func TestATicketEnds(t *testing.T) {
	n := newNode(t, testkit.DB(t), testkit.NewClock())
	w := asked(t, n.Pass(t.Context(), scriptless()), ReasonWait)
	n.clock.Advance(2*slot + challengeLife)
	if err := n.Pass(t.Context(), browser().with(w.Ticket)); err == nil {
		t.Error("a ticket opened after its end")
	}
}

func TestWhatHasExpiredIsTrimmedAndNothingElse(t *testing.T) {
	n := newNode(t, testkit.DB(t), testkit.NewClock())
	if err := n.Pass(t.Context(), program().with(Solve(*n.Gate.Challenge(program())))); err != nil {
		t.Fatal(err)
	}
	rows := func() (count int64) {
		if err := n.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.db.Read(t.Context()).Raw("SELECT COUNT(*) FROM spent_work").Scan(&count)
		return count
	}
	n.clock.Advance(challengeLife)
	if rows() != 1 {
		t.Error("a row went while a slower clock may still take its answer")
	}
	n.clock.Advance(trimAfter + time.Second)
	if rows() != 0 {
		t.Error("an expired row stays")
	}
}

func TestWhatAFloodHasLeftIsTrimmedInBatches(t *testing.T) {
	eachNode(t, func(t *testing.T, n *node) {
		var rows []models.SpentWork
		for range 2*trimBatch + 1 {
			rows = append(rows, models.SpentWork{ID: secrets.Random(16), ExpiresAt: models.At(n.clock.Now())})
		}
		if err := n.db.Write(t.Context(), func(tx *gorm.DB) error { return tx.CreateInBatches(rows, 100).Error }); err != nil {
			t.Fatal(err)
		}
		n.clock.Advance(trimAfter + time.Second)
		if err := n.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left int64
		if n.db.Read(t.Context()).Raw("SELECT COUNT(*) FROM spent_work").Scan(&left); left != 0 {
			t.Errorf("%d rows stay", left)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	n := newNode(f, testkit.DB(f), testkit.NewClock())
	f.Add(Solve(n.easy(program())))
	f.Add("gh1.18.1767323165.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA.0")
	f.Add("ghw1.88366158.AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("gh1.....")
	f.Fuzz(func(t *testing.T, s string) {
		if a, ok := parseAnswer(s); ok {
			if len(a.nonce) != nonceSize || len(a.tag) != tagSize || !strings.HasPrefix(s, a.challenge+".") || a.head() == "" {
				t.Errorf("%q is %+v", s, a)
			}
			n.valid(program().with(s), a)
		}
		if ticket, ok := parseTicket(s); ok {
			n.wait(browser(), ticket)
		}
	})
}

func BenchmarkValid(b *testing.B) {
	n := newNode(b, testkit.DB(b), testkit.NewClock())
	a := program().with(Solve(n.easy(program())))
	for b.Loop() {
		ans, ok := parseAnswer(a.Answer)
		if !ok || !n.valid(a, ans) {
			b.Fatal("refused")
		}
	}
}
