package verify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The rhythm of following.
const (
	defaultBound     = 30 * time.Second
	defaultFeedBytes = 64 << 20

	askEvery   = time.Second
	soon       = 10 * time.Millisecond // asks for batches that come together are one
	askTimeout = 5 * time.Second
	silence    = 15 * time.Second // a stream beats every 5 s; this one is dead
	loadLimit  = 2 * time.Minute  // for a whole snapshot
	settled    = 5 * time.Second  // a stream that lasted this long was a good one
	firstPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
	byeTimeout = 2 * time.Second
)

// follower keeps a copy of what has ended, by a signed snapshot and a stream
// of batches, and proves by questions with a nonce how old the copy is. A
// heartbeat in a stream proves nothing, since a proxy may deliver it late.
type follower struct {
	url, issuer, secret, instance string
	bound                         time.Duration
	accept                        bool
	maxBytes                      int64
	keys                          *remote
	client                        *http.Client
	now                           func() instant
	cancel                        context.CancelFunc
	running                       sync.WaitGroup
	closing                       sync.Once
	askNow, askLater              chan struct{}

	seen              atomic.Pointer[view]
	tells             atomic.Pointer[issuerTime]
	accepted, refused atomic.Uint64

	mu         sync.Mutex // everything below
	ended      *Ended     // in force
	held       *Ended     // see view
	replaced   instant    // when ended was put in force
	at         place
	trail      trail
	peak       place // the newest that was proved by a signature
	waiting    []proof
	asOf       instant
	known      bool
	floor      uint64
	dropped    *instant
	loaded     bool // there is a place
	reload     bool // it is no good
	registered bool
	closed     bool
	cut        context.CancelFunc // of the stream
	reloads    uint64
	faults     uint64
	fault      error
}

func newFollower(o Options, now func() instant) (*follower, error) {
	if strings.ContainsAny(o.Service, " \t\r\n") {
		return nil, errors.New("verify: Options.Service is not a credential")
	}
	base := strings.TrimSuffix(o.FeedURL, "/")
	// A feed key that was revoked could sign a snapshot without the latest
	// endings: who stole it and stands in the way is believed for half a minute
	// more, and not for as long as an answer may be cached.
	keys, err := newRemote(o, base+"/keys", minFresh)
	if err != nil {
		return nil, err
	}
	f := &follower{url: base, issuer: o.Issuer, secret: o.Service, instance: newInstance(), bound: o.Bound, accept: o.Accept,
		maxBytes: o.MaxFeedBytes, keys: keys, client: feedClient(o.HTTPClient), now: now, ended: nothing.ended,
		askNow: make(chan struct{}, 1), askLater: make(chan struct{}, 1)}
	f.seen.Store(nothing)
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.running.Go(func() { f.run(ctx) })
	f.running.Go(func() { f.runAsks(ctx) })
	return f, nil
}

// newInstance is a random UUID (RFC 9562, section 5.4): a follower is a running
// process, not a name that several share.
func newInstance() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// close refuses first and leaves afterwards, so that no receipt is complete
// while this process accepts.
func (f *follower) close() {
	f.closing.Do(func() {
		f.mu.Lock()
		f.closed = true
		f.seen.Store(nothing)
		f.mu.Unlock()
		f.cancel()
		f.keys.close()
		f.running.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), byeTimeout)
		defer cancel()
		f.leave(ctx)
	})
}

// run follows until ctx ends. What is in force stays so while it fails.
func (f *follower) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := f.now()
		err := f.round(ctx)
		if !errors.Is(err, errGarbage) && f.now().since(began) >= settled {
			failures = 0
		}
		f.note(ctx, err)
		pause(ctx, failures)
	}
}

// round loads a snapshot if one is needed, and then follows the stream to its
// end.
func (f *follower) round(ctx context.Context) error {
	f.mu.Lock()
	load := !f.loaded || f.reload
	f.mu.Unlock()
	if load {
		if err := f.load(ctx); err != nil {
			return err
		}
	}
	err := f.follow(ctx)
	if errors.Is(err, errGarbage) || errors.Is(err, errForked) || errors.Is(err, errFull) {
		f.startOver()
	}
	return err
}

// startOver has the snapshot loaded again.
func (f *follower) startOver() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reload = true
	if f.cut != nil {
		f.cut()
	}
}

func (f *follower) note(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults++
	f.fault = err
}

// askSoon has a question asked: at once when somebody waits for our answer.
func (f *follower) askSoon(now bool) {
	c := f.askLater
	if now {
		c = f.askNow
	}
	select {
	case c <- struct{}{}:
	default:
	}
}

// backoff grows from 100 ms to 5 s, up to a half less by chance, so that many
// services do not come back at once.
func backoff(failures int) time.Duration {
	d := min(firstPause<<min(failures, 10), longPause)
	return max(firstPause, d-mathrand.N(d/2))
}

func pause(ctx context.Context, failures int) {
	timer := time.NewTimer(backoff(failures))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
