package keys

import (
	"cmp"
	"fmt"
	"time"

	"gatehouse/models"
)

// The times of a rotation. A key set may be kept by caches for maxAge; a key
// must be published for longer than that before it signs, so that nobody who
// keeps the set ever meets a key that is not in it.
const (
	defaultEvery = 720 * time.Hour
	maxAge       = 5 * time.Minute
	// maxMargin covers answers on their way, nodes that have not noticed the
	// key yet, and clocks of caches that run slow.
	maxMargin = time.Minute
	// minMargin is two rounds of noticing.
	minMargin = 2 * time.Second
)

// CacheFor is how long caches may keep the key sets, in whole seconds. It is
// short only when KEY_ROTATION_EVERY is.
func (r *Ring) CacheFor() time.Duration {
	return min(r.o.RotateEvery/2, maxAge).Truncate(time.Second)
}

// lead is how long a key is published before it signs.
func (r *Ring) lead() time.Duration {
	lead := r.CacheFor() + max(minMargin, min(r.o.RotateEvery/4, maxMargin))
	if r.o.Clock().Before(r.carefulUntil) {
		return max(lead, r.careful)
	}
	return lead
}

// remember looks at what caches may still hold from before a shorter
// KEY_ROTATION_EVERY was set: until that is over, the longer lead counts.
func (r *Ring) remember(v *view) {
	for _, key := range v.opened {
		if was := key.row.SignsFrom.Sub(key.row.CreatedAt.Time); key.row.State == StateNext && was > max(r.lead(), r.careful) {
			r.careful, r.carefulUntil = was, r.o.Clock().Add(was)
		}
	}
}

// due says for each purpose whether its next key should sign now.
type due func(purpose string, current, next models.SigningKey) bool

// never is for a start, which completes the ring and rotates nothing.
func never(string, models.SigningKey, models.SigningKey) bool { return false }

// byTime rotates when the current key has signed for long enough, or a new
// algorithm waits, and the next one was published for long enough.
func (r *Ring) byTime(_ string, current, next models.SigningKey) bool {
	now := r.o.Clock()
	old := current.Alg != next.Alg || !now.Before(current.SignsFrom.Add(r.o.RotateEvery))
	return old && ready(next, now)
}

func ready(next models.SigningKey, now time.Time) bool { return !now.Before(next.SignsFrom.Time) }

// plan lists what the ring lacks and what is due.
func (r *Ring) plan(v *view, d due) ([]step, error) {
	var steps []step
	for _, name := range macs {
		if v.macs[name] == nil {
			steps = append(steps, step{purpose: name, from: v.slots[name], to: r.newSecret(name), fresh: true})
		}
	}
	for _, p := range signing {
		s, err := r.planPair(v, p.name, d)
		if err != nil {
			return nil, err
		}
		if s.to.KID != "" || s.next.KID != "" {
			steps = append(steps, s)
		}
	}
	return steps, nil
}

func (r *Ring) planPair(v *view, purpose string, d due) (step, error) {
	current, next := v.inSlot(purpose), v.inSlot(nextSlot(purpose))
	alg, changed := r.wish(v, purpose)
	switch {
	case current.KID == "" && next.KID == "":
		return r.firstPair(v, purpose, alg)
	case current.KID == "", next.KID != "" && d(purpose, current, next):
		return r.promotion(v, purpose, current, next)
	case next.KID == "", changed:
		return r.newNext(v, purpose, next, alg)
	}
	return step{}, nil
}

// firstPair makes a current key, which signs at once, and a next one.
func (r *Ring) firstPair(v *view, purpose, alg string) (s step, err error) {
	s = step{purpose: purpose, from: v.slots[purpose], ahead: v.slots[nextSlot(purpose)], fresh: true}
	if s.to, err = r.newPair(purpose, alg, StateCurrent, 0); err != nil {
		return s, err
	}
	s.next, err = r.newPair(purpose, alg, StateNext, r.lead())
	return s, err
}

// promotion lets next sign and publishes the one that comes after it, with the
// same algorithm.
func (r *Ring) promotion(v *view, purpose string, current, next models.SigningKey) (s step, err error) {
	s = step{purpose: purpose, from: v.slots[purpose], to: next, ahead: next.KID}
	if current.Alg != next.Alg {
		s.left = current.Alg
	}
	s.next, err = r.newPair(purpose, next.Alg, StateNext, r.lead())
	return s, err
}

// newNext publishes a next key in place of the one that waits, if any.
func (r *Ring) newNext(v *view, purpose string, waits models.SigningKey, alg string) (s step, err error) {
	s = step{purpose: purpose, ahead: v.slots[nextSlot(purpose)]}
	if waits.KID != "" && waits.Alg != v.inSlot(purpose).Alg {
		s.left = waits.Alg
	}
	s.next, err = r.newPair(purpose, alg, StateNext, r.lead())
	return s, err
}

// wish is the algorithm that a new next key should have, and whether the one
// that waits should be replaced for it.
//
// SIGNING_ALG counts when it names an algorithm that this ring has not used
// yet. The ring has one opinion and nodes may have several: were every setting
// obeyed at every start, two nodes with different ones would change the key
// with each of their starts. So an algorithm that was left comes back by
// command only.
func (r *Ring) wish(v *view, purpose string) (alg string, changed bool) {
	current, next := v.inSlot(purpose), v.inSlot(nextSlot(purpose))
	stays, want := cmp.Or(next.Alg, current.Alg), r.algOf(purpose)
	switch {
	case stays == "":
		return want, false
	case want == stays, want == current.Alg, v.slots[leftSlot(purpose, want)] != "":
		return stays, false
	}
	return want, true
}

// ignored says in one line that SIGNING_ALG is not what counts, "" when it is.
func (r *Ring) ignored() string {
	v := r.view.Load()
	next := v.inSlot(nextSlot(PurposeAccess)).Alg
	if next == r.o.Alg {
		return ""
	}
	return fmt.Sprintf("SIGNING_ALG=%s is ignored: the keys in the database were changed to %s, and a start never changes them back. Give all nodes the same SIGNING_ALG, or run \"keys rotate\" to go back to %s",
		r.o.Alg, next, r.o.Alg)
}

// algOf is what a purpose should sign with, "" when it has no pair.
func (r *Ring) algOf(purpose string) string {
	for _, p := range signing {
		if p.name == purpose {
			return cmp.Or(p.alg, r.o.Alg)
		}
	}
	return ""
}
