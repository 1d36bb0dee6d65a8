package proofs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/tokens"
	"gatehouse/verify"
)

// pauseOfNode is longer than the age at which a node's view is too old to
// accept anything.
func pauseOfNode() time.Duration {
	return tokens.NodeBound + testkit.Sized(1500*time.Millisecond, 10*time.Second)
}

// TestANodeThatStoodStillAcceptsNothingThatEndedMeanwhile stops a node
// (SIGSTOP) in the middle of refreshes, ends sessions at another one, sends
// requests into the sockets of the first one, and lets it go on (SIGCONT). It
// accepts nothing that was ended meanwhile, and what it was about to hand out
// for a session that has ended is refused everywhere.
func TestANodeThatStoodStillAcceptsNothingThatEndedMeanwhile(t *testing.T) {
	url := testkit.MySQLURL(t)
	f := newFleet(t, url, url)
	a, b := f.nodes[0], f.nodes[1]
	rounds, each := testkit.Sized(1, 5), 64
	c := &clients{f: f, a: a, b: b, begun: map[string]bool{}, over: map[string]bool{}}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { c.run(ctx) })
	}
	var tries, stale int
	for range rounds {
		list := f.mint(each)
		for _, s := range list { // remembered by b as good
			until(t, 20*time.Second, func() error {
				if err := f.refused(ctx, b, s.token); !errors.Is(err, errAccepted) {
					return fmt.Errorf("before its end: %v", err)
				}
				return nil
			})
		}
		b.signal(syscall.SIGSTOP)
		pause, done := context.WithTimeout(ctx, pauseOfNode())
		for _, s := range list {
			if _, err := f.end(ctx, a, s); err != nil {
				t.Fatal(err)
			}
		}
		c.endBegun(pause)
		waiting := f.askAll(b, list) // they reach the socket while b stands still
		<-pause.Done()
		done()
		b.signal(syscall.SIGCONT)
		for _, got := range [][]error{f.askAll(b, list)(), waiting()} {
			for _, err := range got {
				tries++
				switch {
				case errors.Is(err, errAccepted):
					t.Error("the node that stood still accepted an ended token")
				case err != nil:
					stale++
				}
			}
		}
		until(t, 15*time.Second, func() error { return f.refused(ctx, b, list[0].token) })
	}
	stop()
	all.Wait()
	if c.handed == 0 || testkit.Proving() && c.ended == 0 {
		t.Errorf("%d tokens were handed out and %d sessions ended: nothing is shown", c.handed, c.ended)
	}
	testkit.Found(t, testkit.Finding{Proof: "H2", Case: "a node, MariaDB, 2 nodes",
		Tried: fmt.Sprintf("%d pauses (SIGSTOP) of %v, %d tries with tokens ended meanwhile, half of them waiting in the socket", rounds, pauseOfNode(), tries),
		Found: fmt.Sprintf("none accepted; %d refused as ended, %d because the view was old", tries-stale, stale)})
	testkit.Found(t, testkit.Finding{Proof: "H3", Case: "a node, MariaDB, 2 nodes",
		Tried: fmt.Sprintf("the same pauses in the middle of 16 clients that refresh; %d sessions ended at the other node meanwhile", c.ended),
		Found: fmt.Sprintf("%d tokens handed out, %d of them for a session that had ended: each refused by both nodes", c.handed, c.late)})
}

// askAll asks a node about all tokens at once; the answers are waited for later.
func (f *fleet) askAll(n *node, list []session) func() []error {
	got := make([]error, len(list))
	var all sync.WaitGroup
	for i, s := range list {
		all.Go(func() { got[i] = f.refused(f.t.Context(), n, s.token) })
	}
	return func() []error { all.Wait(); return got }
}

// clients start families and refresh them at b.
type clients struct {
	f    *fleet
	a, b *node

	mu                  sync.Mutex
	begun               map[string]bool // sessions whose refresh is on its way
	over                map[string]bool // ended at a
	handed, late, ended int
}

func (c *clients) run(ctx context.Context) {
	for ctx.Err() == nil {
		id, raw, err := c.f.family(ctx)
		if err != nil {
			continue
		}
		c.mark(id, true)
		access, ok := c.f.refresh(ctx, c.b, raw)
		c.mark(id, false)
		if ok {
			c.judge(ctx, id, access)
		}
	}
}

func (c *clients) mark(id string, begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if begun {
		c.begun[id] = true
	} else {
		delete(c.begun, id)
	}
}

func (c *clients) judge(ctx context.Context, id, access string) {
	c.mu.Lock()
	c.handed++
	over := c.over[id]
	if over {
		c.late++
	}
	c.mu.Unlock()
	if !over {
		return
	}
	for _, n := range []*node{c.b, c.a} {
		if err := c.f.refused(ctx, n, access); errors.Is(err, errAccepted) {
			c.f.t.Errorf("%s accepts a token handed out after its session had ended", n.name)
		}
	}
}

// endBegun ends at the other node what stands still at b, until the time is up.
// An ending whose row b holds locked in the middle of a transaction has to wait
// and may be refused for now: it is not counted.
func (c *clients) endBegun(ctx context.Context) {
	c.mu.Lock()
	ids := slices.Collect(maps.Keys(c.begun))
	c.mu.Unlock()
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			if _, err := c.f.end(ctx, c.a, session{id: id}); err != nil {
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.over[id] = true
			c.ended++
		})
	}
	all.Wait()
}

// refresh exchanges a refresh token at a node for an access token.
func (f *fleet) refresh(ctx context.Context, n *node, raw string) (access string, ok bool) {
	body := strings.NewReader(fmt.Sprintf(`{"refresh_token":%q}`, raw))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url()+"/api/v1/token/refresh", body)
	if err != nil {
		return "", false
	}
	req.Host = f.host
	req.Header.Set("Content-Type", "application/json")
	res, err := web.Do(req)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	var answer struct {
		Access string `json:"access_token"`
	}
	err = json.NewDecoder(res.Body).Decode(&answer)
	return answer.Access, err == nil && answer.Access != ""
}

// child is a service in a process of its own, which can be stopped.
type child struct {
	cmd *exec.Cmd
	url string
}

// envService tells this test binary to be a service: it holds verify.Options.
const envService = "GATEHOUSE_PROOF_SERVICE"

// serveAsService answers 200 to a good token, as a service behind verify does.
func serveAsService() int {
	var o verify.Options
	if err := json.Unmarshal([]byte(os.Getenv(envService)), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	v, err := verify.New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer v.Close()
	return listenAsService(v)
}

func (f *fleet) startChild(n *node, bound time.Duration) *child {
	f.t.Helper()
	options, err := json.Marshal(map[string]any{
		"Issuer": f.url, "JWKSURL": n.url() + "/.well-known/jwks.json", "FeedURL": n.url() + "/api/v1/revocations",
		"Service": f.secret(), "Bound": bound,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = []string{envService + "=" + string(options)}
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		f.t.Fatal(err)
	}
	c.url = strings.TrimSpace(line)
	return c
}

// try asks the child about a token.
func (c *child) try(ctx context.Context, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := web.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return errAccepted
	case http.StatusUnauthorized:
		return nil
	}
	return fmt.Errorf("the service answers %d", res.StatusCode)
}

// TestAServiceThatStoodStillAcceptsNothingThatEndedMeanwhile stops a service
// for longer than its bound, with requests waiting in its socket.
func TestAServiceThatStoodStillAcceptsNothingThatEndedMeanwhile(t *testing.T) {
	url := testkit.MySQLURL(t)
	f := newFleet(t, url)
	n := f.nodes[0]
	bound := testkit.Sized(time.Second, 5*time.Second)
	pause, rounds, each := 2*bound, testkit.Sized(1, 5), 64
	c := f.startChild(n, bound)
	var tries, stale int
	for range rounds {
		list := f.mint(each)
		for _, s := range list {
			until(t, 20*time.Second, func() error {
				if err := c.try(t.Context(), s.token); !errors.Is(err, errAccepted) {
					return fmt.Errorf("before its end: %v", err)
				}
				return nil
			})
		}
		began := time.Now()
		_ = c.cmd.Process.Signal(syscall.SIGSTOP)
		for _, s := range list {
			if _, err := f.end(t.Context(), n, s); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]error, 2*each)
		var all sync.WaitGroup
		for i, s := range list {
			all.Go(func() { // waits in the socket, and is tried again right after the answer
				got[i] = c.try(t.Context(), s.token)
				got[each+i] = c.try(t.Context(), s.token)
			})
		}
		time.Sleep(time.Until(began.Add(pause)))
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
		all.Wait()
		for _, err := range got {
			tries++
			switch {
			case errors.Is(err, errAccepted):
				t.Error("the service that stood still accepted an ended token")
			case err != nil:
				stale++
			}
		}
		until(t, 20*time.Second, func() error { return c.try(t.Context(), list[0].token) })
	}
	testkit.Found(t, testkit.Finding{Proof: "H2", Case: fmt.Sprintf("a service with a bound of %v, MariaDB", bound),
		Tried: fmt.Sprintf("%d pauses (SIGSTOP) of %v, %d tries with tokens ended meanwhile, half of them waiting in the socket", rounds, pause, tries),
		Found: fmt.Sprintf("none accepted; %d refused as ended, %d because the view was old", tries-stale, stale)})
}
