package tokens

import (
	"time"

	"gatehouse/models"
)

// NodeBound is how old the view of a node may be. Beyond it the node refuses
// every access token with 503, by itself: a node that hears nothing of the
// database any more does not know what was ended meanwhile, and whoever waits
// for a receipt may count on its refusing.
const NodeBound = 10 * time.Second

// Fresh reports whether the view of this node is younger than NodeBound. It is
// asked on every check of an access token, after the look-up, so that a process
// which was paused in between finds its view old. It costs one atomic load and
// a reading of the clock.
func (l *Log) Fresh() bool {
	asOf := l.asOf.Load()
	if asOf == nil {
		return false // it starts, or it stops
	}
	age := elapsed(*asOf, l.local())
	if age > NodeBound && l.refusing.CompareAndSwap(false, true) {
		l.log.Error("this node refuses access tokens: what it knows of endings is too old", "age", age.Round(time.Millisecond))
	}
	return age <= NodeBound
}

// freshAgain says once that the refusing is over. A poll has just dated the view.
func (l *Log) freshAgain() {
	if l.refusing.Load() && l.Fresh() && l.refusing.CompareAndSwap(true, false) {
		l.log.Info("this node takes access tokens again")
	}
}

// sighting is what the polls say of a row of the outbox.
type sighting struct {
	polls int // in how many in a row it was seen
	// after is the time of the view before the first of them, which did not
	// show the row: it was committed later than that. Zero is not known.
	after time.Time
}

// sight counts one more poll that sees the row. The caller holds mu.
func (l *Log) sight(row models.ID) sighting {
	s, ok := l.seen[row]
	if !ok {
		s.after = l.status.asOf
	}
	s.polls++
	return s
}

// oldest is the time of the view that the sealed batches alone give: as of the
// last moment before anything came that is in the outbox still. Followers get
// batches and nothing else, so while sealing fails their view must grow old,
// or they would accept what has ended for longer than their bound.
func oldest(asOf time.Time, seen map[models.ID]sighting) time.Time {
	for _, s := range seen {
		if s.after.Before(asOf) {
			asOf = s.after
		}
	}
	return asOf
}
