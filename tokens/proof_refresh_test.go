package tokens

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// step is one thing that a server sees: half a window passes, or somebody
// shows a token of the family, numbered as the model numbers them.
type step struct {
	wait  bool
	token int8
}

func (s step) String() string {
	if s.wait {
		return "wait"
	}
	return fmt.Sprint(s.token)
}

// trace is one life of a family with the answers that the model gives.
type trace struct {
	steps   []step
	answers []int8 // 0 is refused, and ends the family
}

// play adds a step and what the model says to it. It is false when the trace
// would leave the model's bounds.
func (tr trace) play(f modelFamily, now int8, s step) (trace, modelFamily, int8, bool) {
	answer := int8(0)
	switch {
	case s.wait:
		now++
	case f.made == modelTokens && s.token == f.made, s.token > f.made:
		return tr, f, now, false
	default:
		answer = ourRule(&f, s.token, now)
	}
	next := trace{append(append([]step{}, tr.steps...), s), append(append([]int8{}, tr.answers...), answer)}
	return next, f, now, true
}

func newFamilyOfModel() modelFamily {
	f := modelFamily{made: 1}
	for i := range f.first {
		f.first[i] = never
	}
	return f
}

// allTraces are all of exactly n steps, and those that end the family before.
func allTraces(n int) (all []trace) {
	var grow func(tr trace, f modelFamily, now int8)
	grow = func(tr trace, f modelFamily, now int8) {
		if len(tr.steps) == n || f.ended {
			all = append(all, tr)
			return
		}
		for token := int8(0); token <= f.made; token++ {
			if next, family, later, ok := tr.play(f, now, step{wait: token == 0, token: token}); ok {
				grow(next, family, later)
			}
		}
	}
	grow(trace{}, newFamilyOfModel(), 0)
	return all
}

// someTrace is one of n steps by chance.
func someTrace(r *rand.Rand, n int) trace {
	tr, f, now := trace{}, newFamilyOfModel(), int8(0)
	for len(tr.steps) < n && !f.ended {
		s := step{token: int8(1 + r.IntN(int(f.made)))}
		if r.IntN(3) == 0 {
			s = step{wait: true}
		}
		if next, family, later, ok := tr.play(f, now, s); ok {
			tr, f, now = next, family, later
		}
	}
	return tr
}

// replay plays a trace against the product, each request at a node by chance,
// and compares every answer.
func (tr trace) replay(nodes []*room, r *rand.Rand, owner Subject) error {
	a := nodes[0]
	session, first := a.family(owner)
	given := map[int8]string{1: first}
	for i, s := range tr.steps {
		if s.wait {
			a.clock.Advance(halfWindow)
			continue
		}
		answer, err := nodes[r.IntN(len(nodes))].rotate(given[s.token])
		want := tr.answers[i]
		switch {
		case want == 0 && apperr.Reason(err) != whyReused:
			return fmt.Errorf("step %d of %v: the model refuses, the product says %v", i+1, tr.steps, err)
		case want == 0:
			continue
		case err != nil:
			return fmt.Errorf("step %d of %v: the model answers token %d, the product says %w", i+1, tr.steps, want, err)
		case given[want] == "":
			given[want] = answer.Refresh.Token.Reveal()
		case given[want] != answer.Refresh.Token.Reveal():
			return fmt.Errorf("step %d of %v: the answer is not token %d: the line forked", i+1, tr.steps, want)
		}
	}
	last := tr.answers[len(tr.answers)-1]
	ended := !tr.steps[len(tr.steps)-1].wait && last == 0
	n := a.causalCount(`SELECT COUNT(*) FROM refresh_families f JOIN sessions s ON s.id = f.session_id
 WHERE s.id = ? AND f.ended_at IS NULL AND s.ended_at IS NULL`, session)
	if alive := n == 1; alive == ended {
		return fmt.Errorf("%v: the model says ended %v, family and session say otherwise", tr.steps, ended)
	}
	return nil
}

// causalCount counts what shows every commit of every node.
func (r *room) causalCount(sql string, args ...any) (n int64) {
	r.t.Helper()
	err := r.db.CausalRead(r.t.Context(), func(c *gorm.DB) error { return c.Raw(sql, args...).Scan(&n).Error })
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func TestTheSameTracesGiveTheSameAnswersInModelAndProduct(t *testing.T) {
	exhaustive := allTraces(testkit.Sized(4, 6))
	sampled := testkit.Sized(40, 1000)
	proofs(t, func(t *testing.T, p place) {
		for _, nodes := range []int{1, 2} {
			t.Run(fmt.Sprintf("nodes %d", nodes), func(t *testing.T) {
				seed := testkit.Seed(t)
				r := rand.New(rand.NewPCG(seed, 1))
				rooms := p.rooms(t, nodes)
				anna := rooms[0].person(fmt.Sprint("anna", nodes))
				traces := exhaustive
				for range sampled {
					traces = append(traces, someTrace(r, 12))
				}
				for _, tr := range traces {
					if err := tr.replay(rooms, r, anna); err != nil {
						t.Fatal(err)
					}
				}
				testkit.Found(t, testkit.Finding{
					Proof: "F3", Case: fmt.Sprintf("%s, %d of our nodes", p.name, nodes), Seed: seed,
					Tried: fmt.Sprintf("%d traces (all of %d steps, and %d of 12 by chance)", len(traces), testkit.Sized(4, 6), sampled),
					Found: "every answer is the model's",
				})
			})
		}
	})
}

// rooms are n nodes on one database, each with connections of its own, and one
// clock.
func (p place) rooms(t *testing.T, n int) []*room {
	t.Helper()
	first := newRoom(t, testkit.Open(t, p.urls[0], testkit.NewClock().Now), func(d *Deps) { d.Log = nil })
	nodes := []*room{first}
	for len(nodes) < n {
		db := testkit.Open(t, p.urls[len(nodes)%len(p.urls)], first.clock.Now)
		node := first.another(func(d *Deps) { d.DB, d.Audit = db, audit.New(db, first.clock.Now) })
		node.db = db
		nodes = append(nodes, node)
	}
	return nodes
}

// A commit takes its time from one node of a cluster to the next: an honest
// token that arrives there first must not look like one of the future, from a
// database that went back in time.
func TestARefreshOnTheOtherNodeRightAfterwardsIsHonest(t *testing.T) {
	proofs(t, func(t *testing.T, p place) {
		rooms := p.rooms(t, 3)
		_, token := rooms[0].family(rooms[0].person("anna"))
		rounds := testkit.Sized(60, 2000)
		for i := range rounds {
			answer, err := rooms[i%3].rotate(token)
			if err != nil {
				t.Fatalf("refresh %d: %v", i, err)
			}
			token = answer.Refresh.Token.Reveal()
			if i%10 == 9 {
				rooms[0].clock.Advance(31 * time.Second)
			}
		}
		if n := rooms[0].causalCount("SELECT COUNT(*) FROM audit_events WHERE reason = 'future_generation'"); n != 0 {
			t.Errorf("%d false alarms", n)
		}
		testkit.Found(t, testkit.Finding{
			Proof: "H4", Case: p.name, Tried: fmt.Sprintf("%d refreshes, each on another node than the one before", rounds),
			Found: "no false alarm of a database that went back in time",
		})
	})
}

// TestClocksAMinuteApartLogNobodyOut shows what the clock of the cluster is
// for: the mutant, in which each node trusts its own, takes the owner of a
// lost answer for a thief.
func TestClocksAMinuteApartLogNobodyOut(t *testing.T) {
	for _, mutant := range []bool{false, true} {
		t.Run(fmt.Sprintf("mutant %v", mutant), func(t *testing.T) {
			url := testkit.MySQLURL(t)
			slow, fast := clockedNode(t, url, -30*time.Second, mutant), clockedNode(t, url, 30*time.Second, mutant)
			_, first := slow.family(slow.person("anna"))
			current := slow.refreshed(first)
			answer, err := fast.rotate(first) // the answer got lost; the retry meets the other node
			if mutant {
				wantReason(t, err, whyReused)
				return
			}
			if err != nil || answer.Refresh.Token.Reveal() != current {
				t.Fatalf("got %v", err)
			}
			if err := fast.Log.Trim(t.Context()); err != nil {
				t.Fatal(err)
			}
			testkit.Found(t, testkit.Finding{
				Proof: "C5", Case: "two nodes in one process, MariaDB, clocks 30 s behind and 30 s ahead",
				Tried: "a lost answer, repeated at the other node", Found: "the current token; with each node's own clock the owner is logged out",
			})
		})
	}
}

// clockedNode is a node whose machine's clock is off. A mutant never learns.
func clockedNode(t *testing.T, url string, off time.Duration, mutant bool) *room {
	t.Helper()
	local := func() time.Time { return time.Now().Add(off) }
	c := NewClusterClock(local)
	db := testkit.Open(t, url, c.Now)
	if !mutant {
		if err := c.Learn(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	r := newRoom(t, db, func(d *Deps) { d.Clock, d.Alarm = c.Now, func(*gorm.DB, models.ID, string) error { return nil } })
	if !mutant {
		r.Log.UseClock(c)
	}
	return r
}

// place is a database for proofs, as each of its nodes is reached.
type place struct {
	name string
	urls []string
}

// proofs runs a proof on SQLite, on MariaDB, and in its long form on a Galera
// cluster whose three nodes serve one of ours each.
func proofs(t *testing.T, prove func(t *testing.T, p place)) {
	t.Helper()
	testkit.EachURL(t, func(t *testing.T, url string) {
		name := "SQLite"
		if strings.HasPrefix(url, "mysql") {
			name = "MariaDB"
		}
		prove(t, place{name, []string{url}})
	})
	t.Run("galera", func(t *testing.T) { prove(t, place{"Galera", testkit.GaleraURLs(t)}) })
}
