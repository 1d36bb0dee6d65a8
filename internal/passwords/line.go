package passwords

import "slices"

// line is callers in the order of coming. It is short (a queue has some
// hundred places), so that a slice is the simplest that serves.
type line struct {
	waiters []*waiter
	weight  int64 // of all
}

func (l *line) len() int { return len(l.waiters) }

// head is who came first, nil when nobody waits.
func (l *line) head() *waiter {
	if len(l.waiters) == 0 {
		return nil
	}
	return l.waiters[0]
}

func (l *line) push(w *waiter) {
	l.waiters = append(l.waiters, w)
	l.weight += w.weight
}

// pop removes who came last.
func (l *line) pop() *waiter {
	last := l.waiters[len(l.waiters)-1]
	l.remove(last)
	return last
}

// remove takes w out wherever it stands.
func (l *line) remove(w *waiter) {
	if i := slices.Index(l.waiters, w); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		l.weight -= w.weight
	}
}
