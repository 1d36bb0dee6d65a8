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
	"sync"
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
		Found: fmt.Sprintf("%v; ready again after p50 %v, p99 %v, max %v (%v meanwhile)", l, p(50), p(99), p(100), starts[len(starts)-1].machine)})
}

// begun is how long a start took until all nodes were ready, and how the
// machine was meanwhile.
type begun struct {
	ready   time.Duration
	machine stalls
}

// start starts a victim. Its time is promised in the long form, and a start that
// took longer is a miss, whatever the machine did: what the machine did stands
// beside it, and what each part of the start took, so that a miss is explained
// and not excused.
func (f *fleet) start(t *testing.T, v victim) begun {
	t.Helper()
	most := 2 * time.Second
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan stalls, 1)
	go func() { watched <- watchMachine(ctx, t.TempDir()) }()
	began := time.Now()
	v.start()
	if v.database {
		began, most = time.Now(), 5*time.Second
	}
	f.allReady()
	b := begun{ready: time.Since(began)}
	stop()
	b.machine = <-watched
	if b.ready > most {
		if testkit.Proving() {
			t.Errorf("ready again after %v; %v are promised", b.ready, most)
		}
		t.Logf("begun at %s, ready after %v, %v", began.UTC().Format("15:04:05.000"), b.ready, b.machine)
		for _, n := range f.nodes {
			t.Logf("%s says %s", n.name, n.out)
		}
	}
	return b
}

// stalls are the longest times for which the machine did not do what costs it
// nothing: wake a sleeper, and flush a byte to the disk that the product is on.
type stalls struct{ processor, disk time.Duration }

func (s stalls) String() string {
	return fmt.Sprintf("a sleeper was woken up to %v late and a byte took up to %v to the disk", s.processor.Round(time.Millisecond), s.disk.Round(time.Millisecond))
}

// watchMachine rests a little, again and again until ctx ends, and now and then
// writes a byte to the disk: rarely, because every flush makes others wait.
func watchMachine(ctx context.Context, folder string) (s stalls) {
	const rest = 5 * time.Millisecond
	file, err := os.Create(filepath.Join(folder, "probe"))
	if err != nil {
		return s
	}
	defer file.Close()
	var disk sync.WaitGroup
	disk.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			if _, err := file.WriteAt([]byte("x"), 0); err != nil {
				return
			}
			_ = file.Sync()
			s.disk = max(s.disk, time.Since(began))
			wait(ctx, 20*rest)
		}
	})
	for ctx.Err() == nil {
		began := time.Now()
		time.Sleep(rest)
		s.processor = max(s.processor, time.Since(began)-rest)
	}
	disk.Wait()
	return s
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
