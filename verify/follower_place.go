package verify

import (
	"errors"
	"fmt"
	"time"
)

var (
	errGap      = fmt.Errorf("%w: a batch does not follow the one before", errGarbage)
	errForked   = errors.New("the log of the feed is not the one that was followed so far")
	errOtherLog = errors.New("the feed has another log now")
	errBack     = errors.New("the snapshot is older than what is already known")
	errFull     = errors.New("more has ended than Options.MaxFeedBytes lets be held")
)

// place is how far the log was applied.
type place struct {
	log    [16]byte
	seq    uint64
	hash   hash
	cursor string
}

const (
	keptHashes = 1024 // of the newest batches, to compare answers with
	maxWaiting = 1024 // answers that name a head still to come
	dropEvery  = 30 * time.Second
)

// trail remembers the hashes of the newest batches.
type trail struct{ steps [keptHashes]step }

type step struct {
	seq  uint64
	hash hash
	set  bool
}

func (t *trail) add(p *place) { t.steps[p.seq%keptHashes] = step{p.seq, p.hash, true} }

func (t *trail) at(seq uint64) (hash, bool) {
	s := &t.steps[seq%keptHashes]
	return s.hash, s.set && s.seq == seq
}

// apply puts one batch in force.
func (f *follower) apply(cursor string, b *batch) error {
	entries, err := b.entries()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed || b.seq <= f.at.seq:
		return nil
	case b.seq != f.at.seq+1 || b.prev != f.at.hash:
		return errGap
	case f.ended.Size()+int64(len(entries)) > f.maxEntries():
		return errFull
	}
	f.ended.add(entries, b.seq)
	f.at.seq, f.at.hash, f.at.cursor = b.seq, b.link(f.at.log), cursor
	f.trail.add(&f.at)
	f.askSoon(b.wantAck)
	return f.settle()
}

// replace puts a snapshot in force. What was held before stays in force beside
// it until a question asked after now is answered: a snapshot may come from
// somebody's cache, and must not revive what this process refused already.
func (f *follower) replace(h *head, set *Ended) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	same := f.loaded && h.log == f.peak.log
	switch {
	case f.closed:
		return nil
	case same && h.seq < f.peak.seq:
		return errBack
	case same && h.seq == f.peak.seq && h.hash != f.peak.hash:
		return errForked
	}
	if f.loaded {
		f.hold()
	}
	if h.log != f.at.log {
		f.floor = 0
	}
	f.ended, f.replaced = set, f.now()
	f.at = place{log: h.log, seq: h.seq, hash: h.hash, cursor: h.cursor}
	f.trail, f.waiting = trail{}, nil
	f.trail.add(&f.at)
	if !f.loaded || same {
		f.peak = f.at
	}
	f.loaded, f.reload = true, false
	f.reloads++
	f.publish()
	f.askSoon(true)
	return nil
}

// hold keeps the set that is in force. When reloads follow each other without
// an answer between them, their sets are held together; beyond the bound there
// is no view any more, and everything is refused until the next answer.
func (f *follower) hold() {
	switch {
	case f.held == nil:
		f.held = f.ended
	case f.held.Size()+f.ended.Size() <= 2*f.maxEntries():
		f.held.absorb(f.ended)
	default:
		f.held, f.known = nil, false
	}
}

// hear judges an answer: at once when everything up to its head is applied,
// and else when that has come.
func (f *follower) hear(a proof) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil
	case a.log != f.at.log:
		return errOtherLog
	case a.head > f.at.seq:
		if len(f.waiting) < maxWaiting {
			f.waiting = append(f.waiting, a)
		}
		return nil
	}
	return f.believe(&a)
}

// settle believes the answers whose head has come.
func (f *follower) settle() error {
	rest := f.waiting[:0]
	for i := range f.waiting {
		a := &f.waiting[i]
		if a.head > f.at.seq {
			rest = append(rest, *a)
		} else if err := f.believe(a); err != nil {
			return err
		}
	}
	f.waiting = rest
	return nil
}

// believe moves the time of the view, if what we applied is what the answer
// is about. Batches come unsigned; it is here that they are proved.
func (f *follower) believe(a *proof) error {
	known, ok := f.trail.at(a.head)
	if !ok {
		return nil // from a node that lags far behind: it proves nothing
	}
	if known != a.hash {
		return errForked
	}
	if f.peak.log != a.log || a.head >= f.peak.seq {
		f.peak = place{log: a.log, seq: a.head, hash: a.hash}
	}
	f.tells.Store(&issuerTime{a.issued, a.sent})
	if f.known && a.asOf.mono <= f.asOf.mono {
		return nil
	}
	f.known, f.asOf = true, a.asOf
	if f.held != nil && f.replaced.mono <= a.asOf.mono {
		f.held = nil
	}
	f.forget(a.floor)
	f.publish()
	return nil
}

// forget drops what expired, as the signed floor says. The floor that the
// stream announces is not signed and forgets nothing.
func (f *follower) forget(floor uint64) {
	if floor <= f.floor || floor > f.at.seq {
		return
	}
	if now := f.now(); f.dropped == nil || now.since(*f.dropped) >= dropEvery {
		f.floor, f.dropped = floor, &now
		f.ended.Drop(floor)
	}
}

func (f *follower) publish() {
	if !f.closed {
		f.seen.Store(&view{ended: f.ended, held: f.held, asOf: f.asOf, known: f.known})
	}
}

// minEntry is the size of an ended session in a snapshot.
const minEntry = 25

func (f *follower) maxEntries() int64 { return f.maxBytes / minEntry }
