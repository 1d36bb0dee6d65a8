package proofs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// ending is a session that was ended, and when its owner was told so.
type ending struct {
	session
	at time.Time
	by *node
}

// watcher looks again and again whether an ended token is still accepted at
// one place.
type watcher struct {
	refused func(ctx context.Context, token string) error
	every   time.Duration

	mu      sync.Mutex
	waiting []ending
	delays  []time.Duration
	odd     error // an answer that is neither accepted nor revoked
}

func (w *watcher) add(e ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, e)
}

// look tries every token that was still accepted.
func (w *watcher) look(ctx context.Context) (left int) {
	w.mu.Lock()
	list := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	var still []ending
	var delays []time.Duration
	for _, e := range list {
		switch err := w.refused(ctx, e.token); {
		case err == nil:
			delays = append(delays, time.Since(e.at))
		case errors.Is(err, errAccepted):
			still = append(still, e)
		default:
			w.odd = err
			still = append(still, e)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delays = append(w.delays, delays...)
	w.waiting = append(w.waiting, still...)
	return len(w.waiting)
}

func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.look(ctx)
		time.Sleep(w.every)
	}
}

// TestEndingsReachEveryNodeAndServiceUnderLoad ends sessions at a steady rate
// and measures, from the answer to whoever ended one, when each node and each
// service first refuses its token. That they all do, and the node that ended it
// from the next request on, is the proof; the times are a table.
func TestEndingsReachEveryNodeAndServiceUnderLoad(t *testing.T) {
	url := testkit.MySQLURL(t)
	nodes := testkit.Sized([]string{url, url}, []string{url, url, url})
	propagate(t, "MariaDB", nodes)
}

func TestEndingsReachEveryNodeAndServiceUnderLoadOnGalera(t *testing.T) {
	propagate(t, "Galera", testkit.GaleraURLs(t))
}

func propagate(t *testing.T, where string, databases []string) {
	f := newFleet(t, databases...)
	const rate = 200
	lasts := testkit.Sized(2*time.Second, 60*time.Second)
	services := f.followers(testkit.Sized(4, 20), 30*time.Second)
	sessions := f.mint(rate * int(lasts/time.Second))

	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var atServices, atNodes []*watcher
	for _, s := range services {
		atServices = append(atServices, &watcher{refused: s.refuses, every: 4 * time.Millisecond})
	}
	for _, n := range f.nodes {
		atNodes = append(atNodes, &watcher{every: 10 * time.Millisecond,
			refused: func(ctx context.Context, token string) error { return f.refused(ctx, n, token) }})
	}
	for _, w := range slices.Concat(atServices, atNodes) {
		running.Go(func() { w.run(ctx) })
	}
	// The watchers share the machine with what they measure, and a request over
	// a socket is dear: each service follows one ending in five, nodes one in
	// twenty.
	took := f.endAll(sessions, rate, func(i int, e ending) {
		for j, w := range atServices {
			if (i+j)%5 == 0 {
				w.add(e)
			}
		}
		if i%20 != 0 {
			return
		}
		if err := f.refused(ctx, e.by, e.token); err != nil {
			t.Errorf("the node that ended the session: %v", err)
		}
		for j, n := range f.nodes {
			if n != e.by {
				atNodes[j].add(e)
			}
		}
	})
	for _, w := range slices.Concat(atServices, atNodes) {
		until(t, 30*time.Second, func() error {
			if left := w.look(ctx); left > 0 {
				return fmt.Errorf("%d ended tokens are still accepted (%v)", left, w.odd)
			}
			return nil
		})
	}
	stop()
	running.Wait()
	tried := fmt.Sprintf("%d endings at %.0f/s", len(sessions), float64(len(sessions))/took.Seconds())
	found(t, fmt.Sprintf("%s, the other %d nodes", where, len(f.nodes)-1), tried, atNodes)
	found(t, fmt.Sprintf("%s, %d services", where, len(services)), tried, atServices)
}

// endAll ends sessions at a rate, at each node in turn.
func (f *fleet) endAll(list []session, rate int, ended func(i int, e ending)) time.Duration {
	var all sync.WaitGroup
	began := time.Now()
	for i, s := range list {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		n := f.nodes[i%len(f.nodes)]
		all.Go(func() {
			at, err := f.end(f.t.Context(), n, s)
			if err != nil {
				f.t.Error(err)
				return
			}
			ended(i, ending{s, at, n})
		})
	}
	all.Wait()
	return time.Since(began)
}

func found(t *testing.T, where, tried string, watchers []*watcher) {
	t.Helper()
	var all []time.Duration
	for _, w := range watchers {
		all = append(all, w.delays...)
	}
	slices.Sort(all)
	if len(all) == 0 {
		t.Error("nothing was measured")
		return
	}
	testkit.Found(t, testkit.Finding{Proof: "B", Case: where, Tried: tried,
		Found: fmt.Sprintf("p50 %v, p99 %v, max %v (%d refusals timed)", share(all, 0.5), share(all, 0.99), share(all, 1), len(all))})
}

// share is the value below which a share of a sorted list lies.
func share(sorted []time.Duration, part float64) time.Duration {
	return sorted[int(part*float64(len(sorted)-1))].Round(time.Millisecond)
}
