package tokens

import "time"

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
	return asOf != nil && elapsed(*asOf, l.local()) <= NodeBound
}
