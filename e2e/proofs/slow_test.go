package proofs

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// An attack holds a node busy until ctx ends. It returns what it tried and how
// many connections it had open.
type attack func(ctx context.Context, t *testing.T, n *node) (tried string, connections int)

// TestSlowAndHugeClientsHurtNobody measures an honest client before and during
// each attack, and the memory of the server before, during and after it.
func TestSlowAndHugeClientsHurtNobody(t *testing.T) {
	f := newFleet(t, "sqlite:"+t.TempDir()+"/slow.db")
	n := f.nodes[0]
	for _, c := range []struct {
		name string
		run  attack
	}{
		{"slow headers", slowhttptest("-H", "-i", "5", "-x", "10")},
		{"slow bodies", slowhttptest("-B", "-i", "10", "-x", "10", "-s", "60000", "-f", "application/x-www-form-urlencoded")},
		{"slow reading", slowhttptest("-X", "-w", "1", "-y", "2", "-n", "2", "-z", "2", "-k", "3")},
		{"idle connections", idle},
		{"bodies without end", endlessBodies},
		{"objects of 100,000 keys", manyKeys},
		{"floods of headers", manyHeaders},
	} {
		t.Run(c.name, func(t *testing.T) { f.withstands(t, n, c.name, c.run) })
	}
}

func (f *fleet) withstands(t *testing.T, n *node, name string, run attack) {
	f.owner = f.mint(1)[0]
	window := testkit.Sized(300*time.Millisecond, 15*time.Second)
	before, calm := rss(t, n), f.honest(t, n, window)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Minute)
	defer stop()
	var tried string
	var open int
	var all sync.WaitGroup
	all.Go(func() { tried, open = run(ctx, t, n) })
	time.Sleep(window) // the attack is at its height
	attacked := f.honest(t, n, window)
	during := rss(t, n)
	stop()
	all.Wait()
	again := f.honest(t, n, window)
	after := rss(t, n)
	// Each connection costs its buffers and a goroutine; nothing else may grow.
	if most := before + 32<<20 + int64(open)*24<<10; during > most {
		t.Errorf("the server grew from %d to %d MB, want at most %d", before>>20, during>>20, most>>20)
	}
	// Times are judged where nothing else runs. A calm minute has its own
	// spread, so that the slower of the two calm ones is the measure; below 10 ms
	// nobody waits.
	if worse := max(calm, again, 5*time.Millisecond); testkit.Proving() && attacked > 2*worse {
		t.Errorf("the 99th percentile of an honest client went from %s to %s", worse, attacked)
	}
	testkit.Found(t, testkit.Finding{
		Proof: "S", Case: name, Tried: tried,
		Found: fmt.Sprintf("p99 of an honest client %s before, %s during, %s after; memory %d, %d, %d MB",
			calm.Round(10*time.Microsecond), attacked.Round(10*time.Microsecond), again.Round(10*time.Microsecond), before>>20, during>>20, after>>20),
	})
}

// honest asks as a person and a program do, one thing after the other, and
// returns the 99th percentile of what it waited. Every answer has to be right.
func (f *fleet) honest(t *testing.T, n *node, d time.Duration) time.Duration {
	t.Helper()
	var times []time.Duration
	victims := f.mint(testkit.Sized(4, 40))
	for end, i := time.Now().Add(d), 0; time.Now().Before(end) || i < 40; i++ {
		begun, method, path, want := time.Now(), http.MethodGet, []string{"/auth", "/login", "/api/v1/me"}[i%3], http.StatusOK
		if i%20 == 19 && len(victims) > 0 { // a commit
			method, path, want = http.MethodDelete, "/api/v1/me/sessions/"+victims[0].id, http.StatusNoContent
			victims = victims[1:]
		}
		status, body, err := f.ask(t.Context(), n, method, path, f.owner.token)
		if err != nil || status != want {
			t.Fatalf("an honest %s %s: %d %.200s %v", method, path, status, body, err)
		}
		times = append(times, time.Since(begun))
		time.Sleep(3 * time.Millisecond)
	}
	slices.Sort(times)
	return times[len(times)*99/100]
}

// rss is the memory that a node has in use.
func rss(t *testing.T, n *node) int64 {
	t.Helper()
	n.mu.Lock()
	pid := n.cmd.Process.Pid
	n.mu.Unlock()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			k, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return k << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// slowhttptest is the program of that name, made for such attacks.
func slowhttptest(kind ...string) attack {
	return func(ctx context.Context, t *testing.T, n *node) (string, int) {
		connections := testkit.Sized(100, 4000)
		args := append(slices.Clone(kind), "-u", n.url()+"/login", "-c", strconv.Itoa(connections), "-r", "1000", "-l", "600", "-p", "5")
		for ctx.Err() == nil { // it ends by itself when the server has thrown all of them out
			if out, err := exec.CommandContext(ctx, "nice", append([]string{"-n", "19", "slowhttptest"}, args...)...).CombinedOutput(); err != nil && ctx.Err() == nil {
				t.Errorf("slowhttptest: %v\n%.2000s", err, out)
				break
			}
		}
		return fmt.Sprintf("slowhttptest %s with %d connections", kind[0], connections), connections
	}
}

// crowd runs one attacker n times at once until ctx ends, each again and again.
func crowd(ctx context.Context, n int, one func(ctx context.Context) error) (rounds int64) {
	var all sync.WaitGroup
	var count atomic.Int64
	// An attacker whose thread waits for a processor must not keep the honest
	// client of this same process waiting as well.
	places := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(places + n)
	defer runtime.GOMAXPROCS(places)
	for range n {
		all.Go(func() {
			stepBack()
			for ctx.Err() == nil {
				_ = one(ctx) // being thrown out is what it is for
				count.Add(1)
				// Attackers share the machine with the server: what they spend on
				// sending is not what is measured.
				time.Sleep(250 * time.Millisecond)
			}
		})
	}
	all.Wait()
	return count.Load()
}

// stepBack gives an attacker the lowest priority: it has whatever the server and
// the honest client leave of the processors, as much as that is. A real one
// brings processors of its own, and what is measured is what it costs the
// server, whose priority and work stay as they are. The thread is never handed
// back, so that nobody else inherits the priority.
func stepBack() {
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19)
}
