package proofs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"gatehouse/internal/testkit"
)

// TestWhatIsSingleUseStaysSingleOnACluster shows one code, link or token 32
// times at once, through a proxy that spreads the tries over three nodes, each
// at a node of a Galera cluster of its own.
func TestWhatIsSingleUseStaysSingleOnACluster(t *testing.T) {
	f := planFleet(t, manyTries, testkit.GaleraURLs(t)...)
	rounds := 10
	f.importPeople(map[string]int{"app": rounds, "paper": rounds, "plain": rounds})
	for _, n := range f.nodes {
		n.launch()
	}
	f.allReady()
	h := &hand{l: newLedger(t), f: f, n: f.nodes[0], url: f.inFront()}
	until(t, 20*time.Second, func() error {
		if a := h.call(t.Context(), "GET", "/login", "", nil); !a.done() {
			return fmt.Errorf("%v", a)
		}
		return nil
	})
	s := single{h, t}
	for _, c := range []struct {
		name   string
		rounds int
		once   func(int) int
	}{
		{"codes of an app", rounds, s.appCode}, {"recovery codes", rounds, s.paperCode}, {"codes of a reset", rounds, s.reset},
		// Cheap, and the case in which most of a transaction is first prepared.
		{"confirmations of a sign-up", 10 * rounds, s.confirmation},
	} {
		found := "one success each"
		for i := range c.rounds {
			if won := c.once(i); won != 1 {
				found = fmt.Sprintf("%d successes in one round", won)
				t.Errorf("%s: %d of 32 tries at once succeeded", c.name, won)
			}
		}
		testkit.Found(t, testkit.Finding{Proof: "K7", Case: "Galera, 3 nodes behind haproxy: " + c.name,
			Tried: fmt.Sprintf("%d times 32 tries at once with one", c.rounds), Found: found})
	}
	for i := range rounds {
		if n := s.successors(i); n != 1 {
			t.Errorf("refresh: 32 tries at once made %d successors", n)
		}
	}
	testkit.Found(t, testkit.Finding{Proof: "K7", Case: "Galera, 3 nodes behind haproxy: refresh tokens",
		Tried: fmt.Sprintf("%d times 32 tries at once with one", rounds), Found: "one successor each, and nobody logged out"})
}

const triesAtOnce = 32

// single tries things that work once.
type single struct {
	*hand
	t *testing.T
}

// atOnce runs try 32 times at the same moment and returns the answers. A busy
// answer is asked for again: it was no verdict.
func (s single) atOnce(try func(i int) answer) []answer {
	got := make([]answer, triesAtOnce)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range got {
		all.Go(func() {
			<-start
			got[i] = s.sure(s.t.Context(), func() answer { return try(i) })
		})
	}
	close(start)
	all.Wait()
	return got
}

func wins(list []answer) (n int) {
	for _, a := range list {
		if a.done() {
			n++
		}
	}
	return n
}

// attempts are half sign-ins of one person.
func (s single) attempts(email string) []string {
	list := make([]string, triesAtOnce)
	for i, a := range s.atOnce(func(int) answer { return s.login(s.t.Context(), email, peoplePassword) }) {
		list[i] = a.text("attempt")
	}
	return list
}

func (s single) appCode(i int) int {
	list := s.attempts(nth("app", i))
	code := appCode(peopleSeed, time.Now())
	return wins(s.atOnce(func(i int) answer { return s.post(s.t.Context(), "/login/totp", "attempt", list[i], "code", code) }))
}

func (s single) paperCode(i int) int {
	list := s.attempts(nth("paper", i))
	code := recoveryCode(i, i%codesEach)
	return wins(s.atOnce(func(i int) answer { return s.post(s.t.Context(), "/login/recovery", "attempt", list[i], "code", code) }))
}

// mailed begins something and reads its code in the inbox.
func (s single) mailed(path, purpose, email string, list ...string) (attempt, code string) {
	ctx := s.t.Context()
	attempt = s.sure(ctx, func() answer { return s.post(ctx, path, list...) }).text("attempt")
	until(s.t, 10*time.Second, func() error {
		inbox := s.call(ctx, "GET", "/dev/inbox.json", "", nil)
		if code = codeOf(inbox, email, purpose); code == "" {
			return fmt.Errorf("no letter for %s: %v", email, inbox.status)
		}
		return nil
	})
	return attempt, code
}

func (s single) confirmation(i int) int {
	email := fmt.Sprintf("single-%d@harbour.example", i)
	attempt, code := s.mailed("/register", "verify_email", email, "email", email, "password", peoplePassword)
	return wins(s.atOnce(func(int) answer { return s.post(s.t.Context(), "/verify", "attempt", attempt, "code", code) }))
}

func (s single) reset(i int) int {
	email := nth("plain", i)
	attempt, code := s.mailed("/password/forgot", "reset_password", email, "email", email)
	return wins(s.atOnce(func(k int) answer {
		return s.post(s.t.Context(), "/password/reset", "attempt", attempt, "code", code, "new_password", fmt.Sprintf("six plain words are here %d", k))
	}))
}

func (s single) successors(i int) int {
	ctx := s.t.Context()
	email := fmt.Sprintf("single-%d@harbour.example", i)
	p := pairOf(s.sure(ctx, func() answer { return s.login(ctx, email, peoplePassword) }))
	made := map[string]bool{}
	for _, a := range s.atOnce(func(int) answer { return s.refresh(ctx, p.refresh) }) {
		if !a.done() {
			s.t.Errorf("refresh: somebody was sent away: %v", a)
		}
		made[a.text("refresh_token")] = true
	}
	return len(made)
}

// cluster is the Galera cluster as the proof may kill it.
type cluster struct {
	t       *testing.T
	sockets []string
}

func (c *cluster) folder(i int) string { return filepath.Dir(c.sockets[i]) }

func (c *cluster) kill(i int) {
	text, err := os.ReadFile(filepath.Join(c.folder(i), "started"))
	if err != nil {
		c.t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		c.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
}

// again starts a node that was killed and waits until it belongs to the others.
func (c *cluster) again(i int) {
	cmd := exec.Command("sh", "../../internal/testkit/galera.sh", "again", filepath.Dir(c.folder(i)), fmt.Sprint(i+1))
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
}

// behindOneWriter is the cluster behind haproxy, which sends everybody to the
// first node that lives, and returns what our nodes connect to.
func (c *cluster) behindOneWriter(database string) string {
	dir, err := os.MkdirTemp("", "galera") // short: a socket address is
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	lines := []string{
		"defaults", " mode tcp", " timeout connect 1s", " timeout client 1h", " timeout server 1h",
		"listen writer", " bind unix@" + socket + " mode 666", " default-server check inter 200ms fall 2 rise 2 on-marked-down shutdown-sessions",
	}
	for i, s := range c.sockets {
		line := fmt.Sprintf(" server db%d unix@%s", i+1, s)
		if i > 0 {
			line += " backup"
		}
		lines = append(lines, line)
	}
	startHAProxy(c.t, lines...)
	return "mysql://root@unix(" + socket + ")/" + database
}

// TestAWriterThatIsKilledLosesNothing kills (-9) the node of a Galera cluster
// that everybody writes to, under load, again and again. haproxy sends our
// nodes to another one.
func TestAWriterThatIsKilledLosesNothing(t *testing.T) {
	c := &cluster{t: t}
	var name string
	for _, url := range testkit.GaleraURLs(t) {
		cfg, err := mysql.ParseDSN(strings.TrimPrefix(url, "mysql://"))
		if err != nil {
			t.Fatal(err)
		}
		c.sockets, name = append(c.sockets, cfg.Addr), cfg.DBName
	}
	url := c.behindOneWriter(name)
	f := planFleet(t, manyTries, url, url)
	rounds := 5
	people := peopleOf(2, rounds*8)
	until(t, 20*time.Second, func() error {
		_, err := os.Stat(strings.TrimSuffix(strings.TrimPrefix(url, "mysql://root@unix("), ")/"+name))
		return err
	})
	f.importPeople(people)
	for _, n := range f.nodes {
		n.launch()
	}
	f.allReady()
	seed := testkit.Seed(t)
	r := rand.New(rand.NewPCG(seed, 0))
	l := newLedger(t)
	crew := newCrew(f, l, seed, 2, true)
	var outages []time.Duration
	for range rounds {
		ctx, stop := context.WithCancel(t.Context())
		working := crew.work(ctx)
		time.Sleep(time.Second + chance(r, 4*time.Second))
		c.kill(0)
		killed := time.Now()
		outages = append(outages, f.writesAgain(t, killed))
		time.Sleep(time.Second)
		stop()
		working.Wait()
		c.again(0)
		f.allReady()
		crew.settle(t.Context())
		if t.Failed() {
			break
		}
	}
	slices.Sort(outages)
	longest := outages[len(outages)-1]
	if longest > 5*time.Second {
		t.Errorf("writing was possible again after %v; 5 s are promised", longest)
	}
	testkit.Found(t, testkit.Finding{Proof: "K7", Case: "Galera, 3 nodes behind haproxy: kill -9 of the writer", Seed: seed,
		Tried: fmt.Sprintf("%d times under load", rounds),
		Found: fmt.Sprintf("%v; writing again after p50 %v, max %v", l, outages[len(outages)/2].Round(time.Millisecond), longest.Round(time.Millisecond))})
}

// writesAgain returns how long after a moment every node can write again.
func (f *fleet) writesAgain(t *testing.T, since time.Time) time.Duration {
	var all sync.WaitGroup
	for i, n := range f.nodes {
		all.Go(func() {
			h := &hand{l: newLedger(t), f: f, n: n, url: n.url()}
			for time.Since(since) < time.Minute {
				ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
				a := h.login(ctx, nth("leaves", i), peoplePassword)
				stop()
				if a.done() {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Errorf("%s does not write a minute after the writer was killed", n.name)
		})
	}
	all.Wait()
	return time.Since(since)
}
