package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The storms, and what is promised in each. The slots are one a processor, the
// memory of each 19 MiB; memoryLimit is what the server is told to live in.
const (
	hashMB      = 19 * 1.048576
	memoryLimit = 256 // MB
	calmClients = 4
)

var storms = []int{300, 3000}

// measureStorm: clients that sign in all at once, each to an account and from an
// address of its own, who come back when they are told to; beside them people
// who are signed in already go on.
func measureStorm(b *bench) error {
	for _, clients := range storms {
		if err := b.storm(clients); err != nil {
			return fmt.Errorf("%d clients: %w", clients, err)
		}
	}
	return nil
}

// stormFigures are the rounds of one storm.
type stormFigures struct {
	metrics                         string // METRICS_ADDR
	signIns, checks, refresh, peaks []float64
	health                          [len(probes)][]float64
	note, checkNote, refreshNote    string
}

func (b *bench) storm(clients int) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	metrics := fmt.Sprintf("127.0.0.1:%d", port)
	gh, err := b.crowd(fmt.Sprintf("storm%d", clients), fmt.Sprintf("GOMEMLIMIT=%dMiB", memoryLimit*9/10), "REFRESH_RETRY_WINDOW=1s", "METRICS_ADDR="+metrics)
	if err != nil {
		return err
	}
	defer gh.stop()
	idle, _, err := memory(gh.pid())
	if err != nil {
		return err
	}
	group, err := confine(gh.pid(), memoryLimit, int(idle))
	if err != nil {
		return err
	}
	defer func() { gh.stop(); group.leave() }()
	slots, err := slotsOf(gh)
	if err != nil {
		return err
	}
	ours, err := signIn(gh, "/api/v1/login", "username", benchEmail)
	if err != nil {
		return err
	}
	ring, err := families(gh, familyCount)
	if err != nil {
		return err
	}
	f := stormFigures{metrics: metrics}
	for range b.rounds {
		if err := b.stormRound(gh, clients, ours.Access, ring, &f); err != nil {
			return err
		}
	}
	where, err := group.where()
	if err != nil {
		return err
	}
	b.stormRows(clients, idle, idle+float64(slots)*hashMB*2+32, where, &f)
	return nil
}

func (b *bench) stormRound(gh *proc, clients int, access string, ring *lines, f *stormFigures) error {
	auth := get(gh, "/auth", "Authorization: Bearer "+access)
	calm := newCrowd(gh, calmClients, 0)
	calm.settle(b.d / 2)
	quiet := calm.during(b.d)
	calm.end()
	calmAuth, err := load(gh.Addr, gh.pid(), conns, b.d, auth)
	if err != nil {
		return err
	}
	calmRefresh, err := ring.load(gh, b.d)
	if err != nil {
		return err
	}
	health, err := watch(gh, f.metrics)
	if err != nil {
		return err
	}
	defer health.end()
	storm := newCrowd(gh, clients, calmClients)
	defer storm.end()
	storm.settle(b.d)
	loud := storm.during(2 * b.d)
	stormAuth, errAuth := load(gh.Addr, gh.pid(), conns, b.d, auth)
	stormRefresh, errRefresh := ring.load(gh, b.d)
	slow, errHealth := health.end()
	refused, strange := storm.end()
	_, peak, err := memory(gh.pid())
	switch {
	case err != nil:
		return err
	case errHealth != nil:
		return errHealth
	case errAuth != nil:
		return errAuth
	case errRefresh != nil:
		return errRefresh
	case strange != "":
		return fmt.Errorf("an answer was neither a sign-in nor a 503 or 429 with Retry-After: %s", strange)
	case stormAuth.failed > 0:
		return fmt.Errorf("%d checks of a good token were refused", stormAuth.failed)
	}
	f.signIns = append(f.signIns, loud/quiet)
	for i := range f.health {
		f.health[i] = append(f.health[i], float64(slow[i].Microseconds())/1000)
	}
	f.checks = append(f.checks, stormAuth.perSecond/calmAuth.perSecond)
	f.refresh = append(f.refresh, float64(stormRefresh.p99)/float64(calmRefresh.p99))
	f.peaks = append(f.peaks, peak)
	f.note = fmt.Sprintf("%.0f/s in the storm (%d told to come back), %.0f/s in the calm", loud, refused, quiet)
	f.checkNote = fmt.Sprintf("%.0f/s, against %.0f/s", stormAuth.perSecond, calmAuth.perSecond)
	f.refreshNote = fmt.Sprintf("%s, against %s; %.0f/s, against %.0f/s", stormRefresh.p99.Round(time.Millisecond/10),
		calmRefresh.p99.Round(time.Millisecond/10), stormRefresh.perSecond, calmRefresh.perSecond)
	return nil
}

func (b *bench) stormRows(clients int, idle, bound float64, where string, f *stormFigures) {
	name := fmt.Sprintf("%d clients at once: ", clients)
	goal, ok := atLeast(0.95)
	b.add(newRow(name+"sign-ins / calm", f.signIns, f.note, goal, ok))
	for i, over := range probes {
		b.add(newRow(name+"slowest /healthz, ms", f.health[i], over, "at most 100", func(m float64) bool { return m <= 100 }))
	}
	goal, ok = atLeast(0.5)
	b.add(newRow(name+"/auth / calm, throughput", f.checks, f.checkNote, goal, ok))
	goal, ok = atMost(2)
	b.add(newRow(name+"refresh p99 / calm", f.refresh, f.refreshNote, goal, ok))
	bound = min(bound, memoryLimit)
	b.add(newRow(name+"memory, MB", f.peaks, fmt.Sprintf("%.0f MB at rest; %s", idle, where),
		fmt.Sprintf("at most %.0f", bound), func(m float64) bool { return m <= bound }))
}

// crowdRun is clients that sign in until they are ended.
type crowdRun struct {
	good, refused atomic.Int64
	strange       atomic.Pointer[string]
	stop          chan struct{}
	once          sync.Once
	all           sync.WaitGroup
}

// newCrowd starts clients, numbered from first on.
func newCrowd(p *proc, clients, first int) *crowdRun {
	r := &crowdRun{stop: make(chan struct{})}
	for i := range clients {
		r.all.Go(func() { r.run(newClient(p, first+i)) })
	}
	return r
}

func (r *crowdRun) run(c *client) {
	defer c.close()
	for {
		h, err := c.do(http.MethodPost, "/api/v1/login", "", c.login())
		wait := time.Duration(0)
		switch {
		case r.stopped():
			return
		case err != nil:
			r.wonder(err.Error())
			return
		case h.status == http.StatusOK:
			r.good.Add(1)
		case h.retry > 0 && (h.status == http.StatusServiceUnavailable || h.status == http.StatusTooManyRequests):
			r.refused.Add(1)
			wait = h.retry
		default:
			r.wonder(fmt.Sprintf("status %d, Retry-After %s", h.status, h.retry))
			return
		}
		select {
		case <-r.stop:
			return
		case <-time.After(wait):
		}
	}
}

func (r *crowdRun) wonder(what string) { r.strange.CompareAndSwap(nil, &what) }

func (r *crowdRun) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// settle lets the queue fill and the clients spread.
func (r *crowdRun) settle(d time.Duration) { time.Sleep(d) }

// during counts the sign-ins of a while, a second.
func (r *crowdRun) during(d time.Duration) float64 {
	before, begin := r.good.Load(), time.Now()
	time.Sleep(d)
	return float64(r.good.Load()-before) / time.Since(begin).Seconds()
}

// end stops all clients and tells how many were sent away, and what one of them
// met that must not be.
func (r *crowdRun) end() (refused int64, strange string) {
	r.once.Do(func() { close(r.stop) })
	r.all.Wait()
	if s := r.strange.Load(); s != nil {
		strange = *s
	}
	return r.refused.Load(), strange
}
