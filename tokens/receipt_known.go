package tokens

import (
	"maps"
	"sync"
	"time"

	"gatehouse/models"
)

// knownFor is how long this node remembers whom it has not heard of: longer
// than the longest bound that a follower may declare.
const knownFor = mostBound + time.Hour

// lookEvery is how often a node looks at the beats of the others.
const lookEvery = time.Second

// askedFor is how long after a batch that asks for acks somebody may still be
// waiting for it.
const askedFor = MostWait + 5*time.Second

// known is what this node can testify for receipts: how far it has applied the
// log, how far each follower that spoke with it has, and since when it has not
// heard of followers and other nodes. It has a lock of its own, because acks
// must not wait for polls.
type known struct {
	mu      sync.Mutex
	logID   models.ID
	began   time.Time // since when this node looks at the others
	looked  time.Time // when it looked last
	seq     int64     // how far the log was applied when it looked last
	nodes   map[models.ID]seenNode
	heard   map[models.ID]heard
	want    int64     // the newest batch that asks for acks
	wantAt  time.Time // when it was applied here
	changed bool      // there is something to write
	wake    chan struct{}
	bell    bell
}

// seenNode is another node: its newest beat, and since when there is no newer
// one. A node whose row is gone counts from when it was missed first, because
// its last beats may never have been seen.
type seenNode struct {
	beat  int64
	gone  bool
	since time.Time
}

// heard is the last word of a follower.
type heard struct {
	seq int64
	at  time.Time
}

func newKnown() *known {
	return &known{nodes: map[models.ID]seenNode{}, heard: map[models.ID]heard{}, wake: make(chan struct{}, 1)}
}

// begin forgets what was known under another row: time before it is nothing
// that this node has watched.
func (k *known) begin(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.began, k.looked, k.seq = now, time.Time{}, 0
	clear(k.nodes)
}

// shouldLook says whether it is time to look at the other nodes: once a second,
// and in the very poll that applied a batch which asks for acks, because only
// what is seen after the batch was applied counts for it.
func (k *known) shouldLook(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.want > k.seq || k.looked.IsZero() || elapsed(k.looked, now) >= lookEvery
}

// look takes in the rows of the nodes, which were read after everything up to
// seq had been applied.
func (k *known) look(logID models.ID, seq int64, rows []models.Node, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of(logID)
	there := make(map[models.ID]bool, len(rows))
	for _, row := range rows {
		there[row.ID] = true
		if was, ok := k.nodes[row.ID]; !ok || was.gone || was.beat != row.Beat {
			k.nodes[row.ID] = seenNode{beat: row.Beat, since: now}
		}
	}
	for id, n := range k.nodes {
		if !there[id] && !n.gone {
			k.nodes[id] = seenNode{gone: true, since: now}
		}
	}
	k.forget(now)
	crossed := k.seq < k.want && seq >= k.want
	k.looked, k.seq = now, seq
	if crossed {
		k.tell(now)
	}
	if crossed || seq >= k.want {
		k.bell.ring()
	}
}

// of begins anew when the log is another one: places in the old one say
// nothing of it. The caller holds mu.
func (k *known) of(logID models.ID) {
	if k.logID == logID {
		return
	}
	for id, h := range k.heard {
		k.heard[id] = heard{at: h.at}
	}
	k.logID, k.seq, k.want = logID, 0, 0
}

// forget drops whom nobody counts any more. The caller holds mu.
func (k *known) forget(now time.Time) {
	maps.DeleteFunc(k.nodes, func(_ models.ID, n seenNode) bool { return n.gone && now.Sub(n.since) > knownFor })
	maps.DeleteFunc(k.heard, func(_ models.ID, h heard) bool { return now.Sub(h.at) > knownFor })
}

// wanted notes a batch that asks for acks.
func (k *known) wanted(logID models.ID, seq int64, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of(logID)
	k.want, k.wantAt = max(k.want, seq), now
}

// newestWanted is the newest batch applied here that asks for acks.
func (k *known) newestWanted() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.want
}

// hear notes that a follower has put everything up to its place in force.
func (k *known) hear(at spot, instance models.ID, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of(at.logID)
	seq, was := at.seq, k.heard[instance]
	k.heard[instance] = heard{max(seq, was.seq), now}
	if seq > was.seq && was.seq < k.want {
		k.tell(now)
		k.bell.ring()
	}
}

// gone takes a follower out that said good-bye.
func (k *known) gone(instance models.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.heard, instance)
}

// tell has the row of this node written while somebody may wait for it. The
// caller holds mu.
func (k *known) tell(now time.Time) {
	if elapsed(k.wantAt, now) > askedFor {
		return
	}
	k.changed = true
	k.rouse()
}

// rouse wakes the writer.
func (k *known) rouse() {
	select {
	case k.wake <- struct{}{}:
	default: // it is awake
	}
}

// again has what could not be written tried again.
func (k *known) again() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed = true
	k.rouse()
}

// take is what is to be written now, if there is anything.
func (k *known) take(self models.ID, now time.Time) (*report, bool) {
	k.mu.Lock()
	changed := k.changed
	k.changed = false
	k.mu.Unlock()
	if !changed {
		return nil, false
	}
	return k.report(self, now), true
}

// report is all of it at this moment.
func (k *known) report(self models.ID, now time.Time) *report {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := &report{
		node: self, logID: k.logID, seq: k.seq, watched: silence(k.began, now), at: now,
		nodes: make(map[models.ID]time.Duration, len(k.nodes)), heard: make(map[models.ID]said, len(k.heard)),
	}
	for id, n := range k.nodes {
		if id != self {
			r.nodes[id] = silence(n.since, now)
		}
	}
	for id, h := range k.heard {
		r.heard[id] = said{h.seq, silence(h.at, now)}
	}
	return r
}

// silence is how long ago something was at the least, by the monotonic clock:
// a wall clock that is set forward must not call anybody silent.
func silence(since, now time.Time) time.Duration { return max(0, now.Sub(since)) }

// bell wakes everybody who waits for a change.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
