package verify

import (
	"math"
	"time"
)

// instant is one reading of the process's clocks: the wall in whole seconds,
// for the times in tokens, and both as durations, for ages.
type instant struct {
	unix       int64
	mono, wall time.Duration
}

// since is how long ago earlier was: the larger of what both clocks say. The
// monotonic clock stands still while a machine sleeps, and the wall clock may
// be set back; neither makes a view younger than it is.
func (i instant) since(earlier instant) time.Duration {
	return max(i.mono-earlier.mono, i.wall-earlier.wall)
}

func (i instant) before(d time.Duration) instant {
	return instant{unix: i.unix, mono: i.mono - d, wall: i.wall - d}
}

// instants reads the clocks. Without a clock in the Options one reading gives
// everything.
func (o Options) instants() func() instant {
	base := time.Now()
	durations := o.durations
	if durations == nil {
		durations = func() (mono, wall time.Duration) {
			now := time.Now()
			return now.Sub(base), time.Duration(now.UnixNano())
		}
	}
	switch {
	case o.Clock != nil && o.Service == "":
		return func() instant { return instant{unix: o.Clock().Unix()} }
	case o.Clock != nil || o.durations != nil:
		return func() instant {
			mono, wall := durations()
			unix := int64(wall / time.Second)
			if o.Clock != nil {
				unix = o.Clock().Unix()
			}
			return instant{unix, mono, wall}
		}
	}
	return func() instant {
		now := time.Now()
		return instant{now.Unix(), now.Sub(base), time.Duration(now.UnixNano())}
	}
}

// view is what a check looks in. It never changes, but for entries that are
// added to its sets.
type view struct {
	ended *Ended
	// held is the set of before a reload, until an answer to a question asked
	// after the reload has shown that nothing got lost by it.
	held *Ended
	// asOf is when everything that had ended is known to be in ended. It is
	// zero and known is false until the first answer to a question of ours.
	asOf  instant
	known bool
}

func (w *view) revoked(p *Principal) bool {
	return w.ended.Revoked(p) || w.held != nil && w.held.Revoked(p)
}

// age is how long ago everything is known to have been in the view.
func (w *view) age(now instant) time.Duration {
	if !w.known {
		return math.MaxInt64
	}
	return now.since(w.asOf)
}

// nothing is the view of a follower that has none: it refuses.
var nothing = &view{ended: NewEnded(0)}

// judgeAge comes last in every check, after the look-up and with the view that
// was looked in: whoever is paused between the two finds the view old. The
// duration is not zero when a view beyond the bound was accepted.
func (v *Verifier) judgeAge(seen *view, now instant) (time.Duration, error) {
	age := seen.age(now)
	switch {
	case age <= v.bound:
		return 0, nil
	case v.accept && seen.known:
		v.follower.accepted.Add(1)
		return age, nil
	}
	v.follower.refused.Add(1)
	return 0, ErrStale
}

// Within returns a Verifier for routes on which more depends: it shares
// everything with v, and refuses with ErrStale when the view of what has ended
// is older than bound, also where v accepts. A bound longer than that of v
// changes nothing but this, because v's is what receipts count on.
func (v *Verifier) Within(bound time.Duration) *Verifier {
	narrow := *v
	narrow.bound, narrow.accept = min(bound, v.bound), false
	return &narrow
}

// Ready answers nil when tokens can be judged: the view of what has ended is
// younger than the bound. It is for a readiness probe.
func (v *Verifier) Ready() error {
	if v.follower == nil {
		return nil
	}
	if v.follower.seen.Load().age(v.now()) > v.bound {
		return ErrStale
	}
	return nil
}

// Stats are counters of following the feed, for a service's own metrics.
type Stats struct {
	// Following is false without Options.Service, and everything else is zero.
	Following bool
	// Known says that there is a view, and ViewAge how old it is.
	Known   bool
	ViewAge time.Duration
	// Entries is how many endings are held, and Seq the newest batch of the
	// log that was applied.
	Entries int64
	Seq     uint64
	// AcceptedStale counts tokens accepted with a view beyond the bound, and
	// RefusedStale those refused for it.
	AcceptedStale, RefusedStale uint64
	// Reloads counts snapshots that were put in force, and Faults what went
	// wrong while following; LastFault is the newest.
	Reloads, Faults uint64
	LastFault       error
}

// Stats returns the counters so far.
func (v *Verifier) Stats() Stats {
	f := v.follower
	if f == nil {
		return Stats{}
	}
	seen := f.seen.Load()
	s := Stats{Following: true, Known: seen.known, Entries: seen.ended.Size(),
		AcceptedStale: f.accepted.Load(), RefusedStale: f.refused.Load()}
	if seen.known {
		s.ViewAge = max(0, seen.age(v.now()))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Seq, s.Reloads, s.Faults, s.LastFault = f.at.seq, f.reloads, f.faults, f.fault
	return s
}
