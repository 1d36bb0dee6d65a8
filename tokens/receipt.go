package tokens

import (
	"context"
	"math"
	"time"
)

// How long a receipt is waited for.
const (
	DefaultWait = 2 * time.Second
	MostWait    = 30 * time.Second
)

// The kinds of those whom a receipt waits for.
const (
	PendingNode    = "node"
	PendingService = "service"
)

// Receipt says where an ending is in force. A peer is a running server or a
// running instance of a service. Acknowledged means that it has put the ending
// in force: no check that begins after that accepts. Fenced means that it has
// been silent beyond its bound and so refuses everything by itself, until it
// has read the ending. Complete is when every peer is one of the two.
type Receipt struct {
	Revoked      int       `json:"revoked"`     // things that were ended
	Seq          int64     `json:"seq"`         // the batch of the log that they are in; 0 when it is not known
	Nodes        int       `json:"nodes"`       // running servers
	Subscribers  int       `json:"subscribers"` // running instances of services
	Acknowledged int       `json:"acknowledged"`
	Fenced       int       `json:"fenced"`
	ElapsedMS    int64     `json:"elapsed_ms"` // since the commit
	Pending      []Missing `json:"pending"`    // who has not answered
	Complete     bool      `json:"complete"`
}

// Elapsed is how long it took.
func (r Receipt) Elapsed() time.Duration { return time.Duration(r.ElapsedMS) * time.Millisecond }

// Until is when the last one that is missing refuses at the latest, whatever
// happens; false when that is not known, or never.
func (r Receipt) Until() (latest time.Time, known bool) {
	for _, p := range r.Pending {
		if p.Until == nil {
			return time.Time{}, false
		}
		if p.Until.After(latest) {
			latest = *p.Until
		}
	}
	return latest, len(r.Pending) > 0
}

// Missing is one who has not answered: whom an operator looks at.
type Missing struct {
	Kind     string `json:"kind"`     // node or service
	Name     string `json:"name"`     // of the service, or of the machine
	Instance string `json:"instance"` // the id of the running process
	Mode     string `json:"mode"`     // refuse or accept
	// Until is when the ended tokens are refused there at the latest, because
	// the bound is over or because they have expired; nil is never.
	Until *time.Time `json:"until"`
}

// ForPeople is the receipt without the names of machines and the addresses that
// they listen on: everybody who can sign in may ask for one, and these tell how
// to reach a server past what stands in front of it. Services keep their names,
// because a person has to know which one may still let a stolen token in.
func (r Receipt) ForPeople() Receipt {
	told := make([]Missing, len(r.Pending))
	for i, m := range r.Pending {
		if m.Kind == PendingNode {
			m.Name = ""
		}
		told[i] = m
	}
	r.Pending = told
	return r
}

// Wait waits until everybody has applied what was ended under w, or is known to
// refuse, or until the timeout, and answers where it stands. The ending itself
// stands whatever the receipt says; a caller who goes away stops waiting only.
func (f *Feed) Wait(ctx context.Context, w *Want, timeout time.Duration) Receipt {
	defer f.log.unwant(w)
	r := Receipt{Pending: []Missing{}}
	if r.Revoked = w.count(); r.Revoked == 0 {
		r.Complete = true // nothing was ended that anybody could still accept
		return r
	}
	waiting, cancel := context.WithTimeout(ctx, min(timeout, MostWait))
	defer cancel()
	if !f.log.running.Load() {
		if err := f.log.sealSelf(waiting, w); err != nil {
			f.deps.Log.Warn("sealing revocations failed", "error", err)
		}
	}
	f.waitForSeal(waiting, w)
	f.fill(&r, f.watchUntil(ctx, waiting.Done(), w), w)
	return r
}

// waitForSeal returns when the batch is known, or at the end.
func (f *Feed) waitForSeal(ctx context.Context, w *Want) {
	for {
		next := w.bell.next()
		if _, _, ok := w.place(); ok {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-f.stopped:
			return
		case <-next:
		}
	}
}

// lastLook is how long the first reading of who there is may take when the
// time is over already: a receipt names who is missing.
const lastLook = time.Second

// watchUntil follows the readings until nobody is missing, or until over, and
// returns the last judgement; nil when who there is could not be read. The
// lists are read after the batch is known to be sealed, so that nobody who may
// lack it is left out.
func (f *Feed) watchUntil(ctx context.Context, over <-chan struct{}, w *Want) (last *trial) {
	reader, lists := f.watch.join()
	defer f.watch.leave()
	seq, sealed, ok := w.place()
	var late <-chan time.Time
	for {
		scene, next := reader.now(lists)
		if scene != nil {
			if !ok { // not sealed in time: nobody else can have it
				seq, sealed = math.MaxInt64, scene.now
			}
			last = scene.judge(seq, sealed)
			last.lost = w.lost(scene.logID)
			if last.lost || ok && last.done() || late != nil {
				return last
			}
		}
		select {
		case <-next:
		case <-over:
			if over = nil; last != nil {
				return last
			}
			late = time.After(lastLook)
		case <-late:
			return last
		case <-f.stopped:
			return last
		case <-ctx.Done():
			return last
		}
	}
}

// fill writes the verdict down.
func (f *Feed) fill(r *Receipt, t *trial, w *Want) {
	seq, _, ok := w.place()
	r.ElapsedMS = w.elapsed(f.log.local()).Milliseconds()
	if ok {
		r.Seq = seq
	}
	if t == nil {
		return
	}
	r.Nodes, r.Subscribers = len(t.nodes), len(t.followers)
	life := f.lifeOf(w)
	if t.lost {
		r.Seq, ok, life = 0, false, nil
	}
	for _, n := range t.nodes {
		r.add(t.node(n), PendingNode, n, f.ends(t, n, ok, life))
	}
	for _, one := range t.followers {
		r.add(t.follower(one), PendingService, one, f.ends(t, one, ok, life))
	}
	r.Complete = ok && len(r.Pending) == 0
}

func (r *Receipt) add(s standing, kind string, p peer, until *time.Time) {
	switch s {
	case acknowledged:
		r.Acknowledged++
	case fenced:
		r.Fenced++
	default:
		r.Pending = append(r.Pending, Missing{Kind: kind, Name: p.Name, Instance: p.ID.String(), Mode: p.Mode, Until: until})
	}
}

// ends is when a peer refuses at the latest: its bound after the seal, if it
// refuses by itself, or when the last token has expired.
func (f *Feed) ends(t *trial, p peer, sealed bool, life *time.Time) *time.Time {
	if p.Mode != ModeRefuse || !sealed {
		return life
	}
	until := f.deps.Clock().Add(p.patience() - t.waited())
	if life != nil && life.Before(until) {
		return life
	}
	return &until
}

// lifeOf is when the last token has expired that is refused by what was ended,
// nil when that is never.
func (f *Feed) lifeOf(w *Want) *time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.forever {
		return nil
	}
	until := f.deps.Clock().Add(f.log.longest + untilMargin)
	if w.until.After(until) {
		until = w.until
	}
	return &until
}
