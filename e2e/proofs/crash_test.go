package proofs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// manyTries lifts the limits that would stop clients which never rest; what
// they are about is shown elsewhere.
var manyTries = []string{
	"LIMIT_SIGNUP_PER_NETWORK=off", "LIMIT_FORGOT_PER_NETWORK=off", "LIMIT_LOGIN_PER_NETWORK=off", "LIMIT_LOGIN_FREE_TRIES=off", "LIMIT_MAIL_PER_ADDRESS=off", "LOG_LEVEL=warn",
}

// TestNothingAcknowledgedIsLostWhenTheServerIsKilled kills the server (-9) at
// random moments while clients sign up, change passwords, refresh, sign out,
// use codes and make and end tokens, and an operator disables and enables. After each start
// every acknowledged answer is held against what is there.
func TestNothingAcknowledgedIsLostWhenTheServerIsKilled(t *testing.T) {
	beside(t)
	f := planFleet(t, manyTries, testkit.SQLiteURL(t))
	crash(t, f, "SQLite", []victim{{kill: f.nodes[0].kill, start: f.nodes[0].launch}})
}

// TestNothingAcknowledgedIsLostWhenServersOrTheirDatabaseAreKilled does the
// same to two nodes on a MariaDB, and to the MariaDB.
func TestNothingAcknowledgedIsLostWhenServersOrTheirDatabaseAreKilled(t *testing.T) {
	beside(t)
	db := startMariaDB(t)
	f := planFleet(t, manyTries, db.url(db.socket), db.url(db.socket))
	both := victim{kill: func() { f.nodes[0].kill(); f.nodes[1].kill() }, start: func() { f.nodes[0].launch(); f.nodes[1].launch() }}
	crash(t, f, "MariaDB, 2 nodes", []victim{
		{kill: f.nodes[0].kill, start: f.nodes[0].launch}, {kill: f.nodes[1].kill, start: f.nodes[1].launch}, both,
		{kill: db.kill, start: db.launch, database: true},
	})
}

// victim is something to kill, and to start again.
type victim struct {
	kill, start func()
	// database: the time counts from when it answers again, because how long a
	// MariaDB takes to start is not ours.
	database bool
}

// crash runs the proof for some victims.
func crash(t *testing.T, f *fleet, where string, victims []victim) {
	rounds := testkit.Sized(4, 200)
	seats := max(len(f.nodes), testkit.Sized(1, 2))
	people := peopleOf(seats, rounds)
	people["more"] = testkit.Sized(1000, 100_000)
	took := f.importPeople(people)
	for _, n := range f.nodes {
		n.launch()
	}
	for _, n := range f.nodes {
		n.ready()
	}
	seed := testkit.Seed(t)
	r := rand.New(rand.NewPCG(seed, 0))
	l := newLedger(t)
	c := newCrew(f, l, seed, seats, true)
	var starts []time.Duration
	kills := 0
	for range rounds {
		ctx, stop := context.WithCancel(t.Context())
		working := c.work(ctx)
		time.Sleep(100*time.Millisecond + chance(r, 2*time.Second))
		v := victims[r.IntN(len(victims))]
		v.kill()
		kills++
		c.running.kill(r)
		stop()
		working.Wait()
		if r.IntN(6) == 0 { // once more, in the middle of the start
			v.start()
			time.Sleep(chance(r, 300*time.Millisecond))
			v.kill()
			kills++
		}
		began := time.Now()
		v.start()
		if v.database {
			began = time.Now()
		}
		f.allReady()
		took := time.Since(began)
		if starts = append(starts, took); took > 2*time.Second {
			t.Logf("ready after %v: %v", took, f.nodes[0].out)
		}
		c.settle(t.Context())
		if t.Failed() {
			break
		}
	}
	slices.Sort(starts)
	longest := starts[len(starts)-1]
	if testkit.Proving() && longest > 2*time.Second {
		t.Errorf("ready again after %v; 2 s are promised", longest)
	}
	t.Log(l)
	testkit.Found(t, testkit.Finding{Proof: "K1", Case: where, Seed: seed,
		Tried: fmt.Sprintf("%d times kill -9 under load, %d people in the database (imported in %v)", kills, sum(people), took.Round(time.Second)),
		Found: fmt.Sprintf("%v; ready again after p50 %v, p99 %v, max %v", l, starts[len(starts)/2].Round(time.Millisecond), starts[len(starts)*99/100].Round(time.Millisecond), longest.Round(time.Millisecond))})
}

// allReady waits for every node.
func (f *fleet) allReady() {
	f.t.Helper()
	for _, n := range f.nodes {
		n.ready()
	}
}

func chance(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most)))
}

func sum(counts map[string]int) (all int) {
	for _, n := range counts {
		all += n
	}
	return all
}

// isReady asks a node whether it is.
func isReady(n *node) bool {
	res, err := quick.Get(n.url() + "/readyz")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// quick is for questions whose answer must not be waited for.
var quick = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 3 * time.Second}
