package proofs

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
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
	var starts []begun
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
		starts = append(starts, f.start(t, v))
		c.settle(t.Context())
		if l.lost+l.again+l.half > 0 {
			break // what follows would say the same again
		}
	}
	slices.SortFunc(starts, func(a, b begun) int { return cmp.Compare(a.ready, b.ready) })
	p := func(share int) time.Duration { return starts[(len(starts)-1)*share/100].ready.Round(time.Millisecond) }
	t.Log(l)
	testkit.Found(t, testkit.Finding{Proof: "K1", Case: where, Seed: seed,
		Tried: fmt.Sprintf("%d times kill -9 under load, %d people in the database (imported in %v)", kills, sum(people), took.Round(time.Second)),
		Found: fmt.Sprintf("%v; ready again after p50 %v, p99 %v, max %v (the machine itself stood still for up to %v meanwhile)", l, p(50), p(99), p(100), starts[len(starts)-1].stall.Round(time.Millisecond))})
}

// begun is how long a start took until all nodes were ready, and the longest
// time for which the machine itself stood still meanwhile.
type begun struct{ ready, stall time.Duration }

// start starts a victim. Its time is promised in the long form, for a machine
// that is there: what the smallest write to the same disk took is no fault of ours.
func (f *fleet) start(t *testing.T, v victim) begun {
	t.Helper()
	most := 2 * time.Second
	ctx, stop := context.WithCancel(t.Context())
	stalls := make(chan time.Duration, 1)
	go func() { stalls <- longestStall(ctx, t.TempDir()) }()
	began := time.Now()
	v.start()
	if v.database {
		began, most = time.Now(), 5*time.Second
	}
	f.allReady()
	b := begun{ready: time.Since(began)}
	stop()
	b.stall = <-stalls
	if b.ready > most+b.stall {
		if testkit.Proving() {
			t.Errorf("ready again after %v; %v are promised", b.ready, most)
		}
		t.Logf("ready after %v, the machine stood still for up to %v: %v", b.ready, b.stall, f.nodes[0].out)
	}
	return b
}

// longestStall writes a little to the disk and rests a little until ctx ends,
// and returns by how much the slowest round was late.
func longestStall(ctx context.Context, folder string) (longest time.Duration) {
	const rest = 5 * time.Millisecond
	file, err := os.Create(filepath.Join(folder, "probe"))
	if err != nil {
		return 0
	}
	defer file.Close()
	for ctx.Err() == nil {
		began := time.Now()
		if _, err := file.WriteAt([]byte("x"), 0); err != nil {
			return longest
		}
		_ = file.Sync()
		time.Sleep(rest)
		longest = max(longest, time.Since(began)-rest)
	}
	return longest
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
