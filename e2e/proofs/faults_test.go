package proofs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/verify"
)

// The bound of the services that meet faults, and how long a fault lasts: so
// long that the bound is passed, and in the long form that what was held back
// for 20 s arrives as well.
func faultBound() time.Duration { return testkit.Sized(1500*time.Millisecond, 5*time.Second) }

func faultLasts() time.Duration { return testkit.Sized(faultBound()+time.Second, hold+5*time.Second) }

// group is some services behind one fault.
type group struct {
	name     string
	services []*service
	proxy    *proxy
	begin    func()
	over     func()

	checks, within, stale atomic.Int64
}

// history is what was ended so far.
type history struct {
	mu   sync.Mutex
	list []ending
}

func (h *history) add(e ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, e)
}

func (h *history) all() []ending {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list[:len(h.list):len(h.list)]
}

// check tries ended tokens until ctx ends, the newest ones above all. An
// acceptance by a check that began later than the bound after the answer to
// the ending breaks the promise.
func (g *group) check(ctx context.Context, t *testing.T, s *service, h *history, r *rand.Rand) {
	for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
		list := h.all()
		if len(list) == 0 {
			continue
		}
		i := r.IntN(len(list))
		if r.IntN(3) > 0 {
			i = len(list) - 1 - r.IntN(min(len(list), 40))
		}
		began := time.Now()
		err := s.refuses(ctx, list[i].token)
		g.checks.Add(1)
		switch {
		case errors.Is(err, verify.ErrStale):
			g.stale.Add(1)
		case errors.Is(err, errAccepted):
			g.within.Add(1)
			if late := began.Sub(list[i].at); late > faultBound() {
				t.Errorf("%s, feed %s: accepted %v after the end, and the bound is %v", s.name, g.name, late, faultBound())
				return
			}
		case err != nil:
			t.Errorf("%s, feed %s: %v", s.name, g.name, err)
			return
		}
	}
}

// TestNoFaultOfTheFeedMakesAServiceAcceptBeyondItsBound ends sessions while
// the services' feeds are cut, slowed, spoiled and flooded and a node is
// killed, each fault for services of its own.
func TestNoFaultOfTheFeedMakesAServiceAcceptBeyondItsBound(t *testing.T) {
	beside(t)
	url := testkit.MySQLURL(t)
	f := newFleet(t, testkit.Sized([]string{url, url}, []string{url, url, url})...)
	seed := testkit.Seed(t)
	live := f.mint(1)[0]
	groups := f.groups(testkit.Sized(1, 3))
	h := &history{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for i, g := range groups {
		for j, s := range g.services {
			running.Go(func() { g.check(ctx, t, s, h, rand.New(rand.NewPCG(seed, uint64(100*i+j)))) })
		}
	}
	running.Go(func() { f.keepEnding(ctx, h) })
	rounds := testkit.Sized(1, 3)
	for range rounds {
		for _, g := range groups {
			g.begin()
		}
		time.Sleep(faultLasts())
		for _, g := range groups {
			for _, s := range g.services {
				if _, err := s.Verify(ctx, live.token); !errors.Is(err, verify.ErrStale) {
					t.Errorf("%s, feed %s: beyond its bound it answers %v to a live token", s.name, g.name, err)
				}
			}
			g.over()
		}
		f.recovered(ctx, groups, h, live)
	}
	stop()
	running.Wait()
	for _, g := range groups {
		found := fmt.Sprintf("no acceptance beyond the bound; %d within it, %d refused as stale; all caught up afterwards", g.within.Load(), g.stale.Load())
		if sent := g.proxy.sent.Load(); sent > 0 {
			found += fmt.Sprintf("; %d MB of the flood were taken", sent>>20)
		}
		testkit.Found(t, testkit.Finding{Proof: "C1", Case: "feed " + g.name, Seed: seed,
			Tried: fmt.Sprintf("%d services with a bound of %v, %d rounds of %v, %d endings, %d tries",
				len(g.services), faultBound(), rounds, faultLasts(), len(h.all()), g.checks.Load()),
			Found: found})
	}
}

// groups are the services, behind a proxy for each fault. All proxies lead to
// the last node but that of the group whose node is killed, the first one.
func (f *fleet) groups(size int) (all []*group) {
	last := f.nodes[len(f.nodes)-1]
	for _, m := range []mode{cut, slowed, slowedWhole, garbage, badSignature, flooded} {
		p := newProxy(f.t, last)
		all = append(all, &group{name: string(m), proxy: p, begin: func() { p.set(m) }, over: func() { p.set(honest) }})
	}
	first := f.nodes[0]
	all = append(all, &group{name: "of a node that is killed (-9)", proxy: newProxy(f.t, first), begin: first.kill, over: first.launch})
	for _, g := range all {
		for range size {
			g.services = append(g.services, f.follow(last, g.proxy.URL, faultBound()))
		}
	}
	for _, g := range all {
		for _, s := range g.services {
			until(f.t, 30*time.Second, s.Ready)
		}
	}
	return all
}

// keepEnding ends 20 sessions a second at the nodes that nobody kills.
func (f *fleet) keepEnding(ctx context.Context, h *history) {
	alive := f.nodes[1:]
	for i := 0; ctx.Err() == nil; i++ {
		s := f.mint(1)[0]
		n := alive[i%len(alive)]
		if at, err := f.end(ctx, n, s); err == nil {
			h.add(ending{s, at, n})
		} else if ctx.Err() == nil {
			f.t.Error(err)
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// recovered waits until every service works again, and shows that each of them
// and each node refuses everything that was ended meanwhile.
func (f *fleet) recovered(ctx context.Context, groups []*group, h *history, live session) {
	f.t.Helper()
	for _, n := range f.nodes {
		n.ready()
	}
	for _, g := range groups {
		for _, s := range g.services {
			until(f.t, time.Minute, func() error {
				_, err := s.Verify(ctx, live.token)
				return err
			})
		}
	}
	list := h.all()
	time.Sleep(faultBound())
	for _, g := range groups {
		for _, s := range g.services {
			for _, e := range list {
				if err := s.refuses(ctx, e.token); err != nil && !errors.Is(err, verify.ErrStale) {
					f.t.Errorf("%s, feed %s, after the fault: %v", s.name, g.name, err)
				}
			}
		}
	}
	for _, n := range f.nodes {
		for _, e := range list[max(0, len(list)-200):] {
			if err := f.refused(ctx, n, e.token); err != nil {
				f.t.Errorf("%s after the fault: %v", n.name, err)
			}
		}
	}
}
