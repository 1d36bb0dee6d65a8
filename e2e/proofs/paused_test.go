package proofs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/tokens"
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
	beside(t)
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

// TestAServiceThatStoodStillAcceptsNothingThatEndedMeanwhile stops a service
// for longer than its bound, with requests waiting in its socket.
func TestAServiceThatStoodStillAcceptsNothingThatEndedMeanwhile(t *testing.T) {
	beside(t)
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
		halt(t, c.cmd.Process)
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
