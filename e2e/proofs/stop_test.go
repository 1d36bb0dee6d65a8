package proofs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// exitCode is what the process ended with, and -1 for one that still runs.
func (n *node) exitCode() int {
	if n.process() != 0 {
		return -1
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cmd.ProcessState.ExitCode()
}

// terminate sends SIGTERM and returns how long the process took to end.
func (n *node) terminate(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.exited:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not end: %s", n.name, n.out)
	}
	if code := n.exitCode(); code != 0 {
		t.Errorf("%s ended with %d: %s", n.name, code, n.out)
	}
	return time.Since(began)
}

// halfSent is a request of which a part is on its way.
type halfSent struct {
	conn net.Conn
	rest string
}

func (f *fleet) sendHalf(n *node) (halfSent, error) {
	c, err := net.Dial("tcp", strings.TrimPrefix(n.url(), "http://"))
	if err != nil {
		return halfSent{}, err
	}
	body := `{"username":"nobody@harbour.example","password":"five plain words are here"}`
	head := fmt.Sprintf("POST /api/v1/login HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", f.host, len(body))
	_, err = c.Write([]byte(head + body[:20]))
	return halfSent{c, body[20:]}, err
}

// finish sends the rest and reads the answer.
func (h halfSent) finish() (int, error) {
	defer h.conn.Close()
	if _, err := h.conn.Write([]byte(h.rest)); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(bufio.NewReader(h.conn), nil)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	return res.StatusCode, nil
}

// TestAStopFinishesWhatIsUnderWayAndNothingElse ends a server (SIGTERM) under
// load, with streams of the feed open, receipts waiting for a service that says
// nothing, requests half sent and one that never ends.
func TestAStopFinishesWhatIsUnderWayAndNothingElse(t *testing.T) {
	beside(t)
	testkit.EachURL(t, func(t *testing.T, url string) {
		rounds := testkit.Sized(1, 10)
		f := newFleet(t, url)
		n := f.nodes[0]
		f.follow(n, n.url(), time.Minute)
		mute := f.startChild(n, 30*time.Second)
		s := f.mint(1)[0]
		until(t, 20*time.Second, func() error {
			if err := mute.try(t.Context(), s.token); err != errAccepted {
				return fmt.Errorf("the service is not ready: %w", err)
			}
			return nil
		})
		halt(t, mute.cmd.Process)
		var under, longest atomic.Int64
		for range rounds {
			f.stopUnderLoad(n, &under, &longest)
			n.launch()
			n.ready()
		}
		testkit.Found(t, testkit.Finding{Proof: "K4", Case: "SIGTERM, " + strings.ToUpper(url[:1]) + url[1:6],
			Tried: fmt.Sprintf("%d times, under load, with open streams, receipts that wait for a service that says nothing, half a request and one that never ends", rounds),
			Found: fmt.Sprintf("%d requests that were under way were answered, new ones refused; exit 0 after at most %v", under.Load(), time.Duration(longest.Load()).Round(time.Millisecond))})
	})
}

// halt pauses p and waits until it stands: a signal takes effect some time after
// it was sent, in which the process goes on.
func halt(t *testing.T, p *os.Process) {
	t.Helper()
	_ = p.Signal(syscall.SIGSTOP)
	until(t, 20*time.Second, func() error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.Pid))
		for _, of := range threads {
			if status, gone := os.ReadFile(of); gone == nil && !bytes.Contains(status, []byte("\nState:\tT")) {
				err = errors.New("a thread still runs")
			}
		}
		return err
	})
}

func (f *fleet) stopUnderLoad(n *node, under, longest *atomic.Int64) {
	t := f.t
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var told atomic.Int64 // when SIGTERM was sent; 0 is not yet
	var all sync.WaitGroup
	h := &hand{l: newLedger(t), f: f, n: n, url: n.url()}
	for i := range 8 {
		all.Go(func() {
			for told.Load() == 0 {
				began := time.Now()
				var a answer
				if i%2 == 0 {
					a = h.login(ctx, person, "four plain words here")
				} else {
					a = h.call(ctx, http.MethodGet, "/auth", f.owner.token, nil)
				}
				// What had not reached the server when it was told is no
				// request under way; that takes far less than 50 ms.
				at := told.Load()
				if was := at == 0 || began.Before(time.Unix(0, at).Add(-50*time.Millisecond)); was && a.err != nil {
					t.Errorf("a request under way was cut off: %v", a.err)
				} else if was && at != 0 {
					under.Add(1)
				}
			}
		})
	}
	for _, s := range f.mint(2) {
		all.Go(func() {
			if r, err := f.endAndWait(ctx, n, s); err != nil || r.Revoked != 1 || r.Complete {
				t.Errorf("a receipt that waited: %+v, %v", r, err)
			}
			under.Add(1)
		})
	}
	half, err := f.sendHalf(n)
	if err != nil {
		t.Fatal(err)
	}
	endless, err := f.sendHalf(n)
	if err != nil {
		t.Fatal(err)
	}
	defer endless.conn.Close()
	time.Sleep(500 * time.Millisecond)
	ended := make(chan time.Duration, 1)
	told.Store(time.Now().UnixNano())
	go func() { ended <- n.terminate(t) }()
	time.Sleep(300 * time.Millisecond)
	if c, err := net.Dial("tcp", strings.TrimPrefix(n.url(), "http://")); err == nil {
		c.Close()
		t.Error("a new connection was taken after SIGTERM")
	}
	if status, err := half.finish(); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a request that was half sent: %d, %v", status, err)
	}
	under.Add(1)
	all.Wait()
	took := <-ended
	if took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
	longest.Store(max(longest.Load(), int64(took)))
}

// TestARollingRestartFailsNoRequest restarts two nodes in turn, again and
// again, behind a proxy.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	beside(t)
	url := testkit.MySQLURL(t)
	f := newFleetWith(t, append([]string{"DRAIN_TIME=1500ms"}, manyTries...), url, url)
	at := f.inFront()
	until(t, 20*time.Second, func() error {
		if a := f.callAt(t.Context(), at, http.MethodGet, "/auth", f.owner.token, nil); !a.done() {
			return fmt.Errorf("through the proxy: %v", a)
		}
		return nil
	})
	total := int64(testkit.Sized(2_000, 100_000))
	var count, restarts atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load, rolling sync.WaitGroup
	for i := range 16 {
		load.Go(func() {
			h := &hand{l: newLedger(t), f: f, url: at}
			var p pair
			for ctx.Err() == nil && (count.Add(1) <= total || restarts.Load() < 2) {
				if err := someRequest(ctx, h, i, int(count.Load()), &p); err != nil {
					t.Errorf("a request failed: %v", err)
					stop()
				}
				wait(ctx, testkit.Sized(5*time.Millisecond, 0)) // so that the short form outlasts some restarts
			}
		})
	}
	done := make(chan struct{})
	rolling.Go(func() {
		for {
			for _, n := range f.nodes {
				select {
				case <-done:
					return
				default:
				}
				n.terminate(t)
				n.launch()
				n.ready()
				restarts.Add(1)
				time.Sleep(time.Second) // the proxy has to notice, as an operator looks
			}
		}
	})
	load.Wait()
	close(done)
	rolling.Wait()
	if restarts.Load() == 0 {
		t.Error("nothing was restarted: nothing is shown")
	}
	testkit.Found(t, testkit.Finding{Proof: "K6", Case: "2 nodes on MariaDB behind haproxy",
		Tried: fmt.Sprintf("%d requests (pages, checks, refreshes, sign-ins) during %d restarts", count.Load()-16, restarts.Load()),
		Found: "0 failed"})
}

// someRequest is one of those that people and programs send.
func someRequest(ctx context.Context, h *hand, who, turn int, p *pair) error {
	var a answer
	switch {
	case who == 0 && (p.refresh == "" || turn%50 == 0):
		if a = h.login(ctx, person, "four plain words here"); a.done() {
			*p = pairOf(a)
		}
	case who == 0 && turn%20 == 0:
		if a = h.refresh(ctx, p.refresh); a.done() {
			*p = pairOf(a)
		} else if a.status == http.StatusTooManyRequests {
			return nil
		}
	case turn%3 == 0:
		a = h.call(ctx, http.MethodGet, "/login", "", nil)
	case turn%3 == 1:
		a = h.call(ctx, http.MethodGet, "/api/v1/me", h.f.owner.token, nil)
	default:
		a = h.call(ctx, http.MethodGet, "/auth", h.f.owner.token, nil)
	}
	if ctx.Err() == nil && !a.done() {
		return fmt.Errorf("%v", a)
	}
	return nil
}
