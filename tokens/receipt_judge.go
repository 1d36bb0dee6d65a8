package tokens

import (
	"math"
	"time"

	"gatehouse/models"
)

// scene is everything that is known at one moment about who has applied what.
type scene struct {
	now       time.Time // local
	self      models.ID // zero in a command
	logID     models.ID
	nodes     []peer
	followers []peer
	reports   []*report
	lists     int // which reading of nodes and followers it has; 0 is none
}

// peer is a node or a follower.
type peer struct {
	ID    models.ID
	Name  string
	Mode  string
	Bound int64 // microseconds
}

// patience is the silence after which a peer refuses by its own rule: its
// bound, and one percent for two clocks that do not run at the same speed.
func (p peer) patience() time.Duration {
	bound := time.Duration(p.Bound) * time.Microsecond
	return bound + bound/100
}

// standing is what a peer is to one revocation.
type standing int

const (
	pending standing = iota
	acknowledged
	fenced
)

// trial judges every peer for the batch seq, which was known to be sealed at
// the local time sealed.
type trial struct {
	*scene
	seq    int64
	sealed time.Time
	// lost says that the log began anew after the batch was sealed in the one
	// before it: nobody is known to have put in force what it ended.
	lost bool
	// witnesses are the reports of nodes that have applied the batch.
	witnesses map[models.ID]*report
	// unseen is for how long, at the least, no node that is not a witness can
	// have given a follower a view without the batch.
	unseen time.Duration
}

func (s *scene) judge(seq int64, sealed time.Time) *trial {
	t := &trial{scene: s, seq: seq, sealed: sealed, witnesses: map[models.ID]*report{}}
	for _, r := range s.reports {
		if r.logID == s.logID && r.seq >= seq {
			t.witnesses[r.node] = r
		}
	}
	for _, r := range t.witnesses {
		t.unseen = max(t.unseen, t.unseenBy(r))
	}
	return t
}

// done says that nobody is missing.
func (t *trial) done() bool {
	for _, n := range t.nodes {
		if t.node(n) == pending {
			return false
		}
	}
	for _, f := range t.followers {
		if t.follower(f) == pending {
			return false
		}
	}
	return true
}

// ago is a silence that was reported, as it is now.
func (t *trial) ago(r *report, silent time.Duration) time.Duration {
	return silent + silence(r.at, t.now)
}

// waited is how long the batch has been sealed. A view that lacks it is older,
// whoever gave it.
func (t *trial) waited() time.Duration { return silence(t.sealed, t.now) }

// unseenBy is the silence of the others as this witness saw it. What was before
// its time it does not know; a node that is registered and that it has not seen
// yet is not silent at all; one that has gone, cleanly or not, counts from when
// it was missed.
func (t *trial) unseenBy(r *report) time.Duration {
	least := t.ago(r, r.watched)
	for id, silent := range r.nodes {
		if t.witnesses[id] == nil {
			least = min(least, t.ago(r, silent))
		}
	}
	for _, n := range t.nodes {
		if _, seen := r.nodes[n.ID]; !seen && t.witnesses[n.ID] == nil {
			return 0
		}
	}
	return least
}

// node judges a node. This one has applied what it ended before anybody was
// answered. Another one is fenced when no new beat of it was seen for longer
// than its bound by somebody who has the batch: a beat that comes later is
// ordered after the batch.
func (t *trial) node(n peer) standing {
	if t.lost {
		return pending
	}
	if n.ID == t.self || t.witnesses[n.ID] != nil {
		return acknowledged
	}
	silent := t.waited()
	for _, r := range t.witnesses {
		if one, seen := r.nodes[n.ID]; seen {
			silent = max(silent, t.ago(r, one))
		}
	}
	if silent >= n.patience() {
		return fenced
	}
	return pending
}

// follower judges a follower. A view of its that lacks the batch is at least as
// old as its last word with every node that has the batch, and as the last sign
// of life of every node that may not have it. One that accepts with an old view
// is never fenced.
func (t *trial) follower(f peer) standing {
	if t.lost {
		return pending
	}
	silent := time.Duration(math.MaxInt64)
	for _, r := range t.reports {
		said, ok := r.heard[f.ID]
		if !ok || r.logID != t.logID {
			continue
		}
		if said.seq >= t.seq {
			return acknowledged
		}
		if t.witnesses[r.node] != nil {
			silent = min(silent, t.ago(r, said.silent))
		}
	}
	silent = max(t.waited(), min(silent, t.unseen))
	if f.Mode == ModeRefuse && silent >= f.patience() {
		return fenced
	}
	return pending
}
