package passwords

import (
	"context"
	"sync"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/metrics"
)

// knownTurns is how many hashes of known callers are computed for each one of
// a stranger while both wait, and strangers keep one place of knownTurns+1 in a
// full queue: owners are served first, and strangers never starve.
const knownTurns = 4

// maxRetry is the longest that anybody is told to stay away. A flood of callers
// who do not come back would otherwise be counted against those who do.
const maxRetry = 30 * time.Second

// queueOptions are the bounds of a queue.
type queueOptions struct {
	slots   int           // hashes at once
	limit   int           // callers who wait
	maxWait time.Duration // of one of them
	clock   func() time.Time
	metrics *metrics.Metrics
}

// queue admits a bounded number of hashes to run and a bounded number of
// callers to wait for them: known ones first, each kind in the order of coming.
// Whoever cannot be served in time is refused on arrival, which costs nothing,
// instead of after waiting for nothing (OWASP ASVS 5.0, 15.2.2).
type queue struct {
	queueOptions

	mu     sync.Mutex
	inUse  int64   // weight of what runs, never more than slots
	lines  [2]line // strangers, known
	streak int     // known turns since a stranger's, while strangers wait
	pace   pace
	booked time.Time // when the last of those who were sent away may come back
}

// The two lines of a queue.
const (
	strangers = 0
	known     = 1
)

// waiter is one caller in a line.
type waiter struct {
	weight int64
	line   int
	turn   chan error // nil when it may run, "busy" when it was sent away
}

func newQueue(o queueOptions) *queue { return &queue{queueOptions: o} }

// run waits for weight slots, calls work and gives the slots back. The work
// itself is not interrupted: a hash takes tens of milliseconds.
func (q *queue) run(ctx context.Context, weight int64, work func()) error {
	// An imported hash may need more memory than all slots together; it then
	// runs alone, which is as much bounded as it can be.
	w := &waiter{weight: min(weight, int64(q.slots)), line: lineOf(ctx), turn: make(chan error, 1)}
	if err := q.enter(ctx, w); err != nil {
		q.metrics.HashRefused()
		return err
	}
	q.metrics.HashRunning(1)
	begin := q.now()
	defer func() {
		q.metrics.HashRunning(-1)
		q.leave(w, q.now().Sub(begin))
	}()
	aside(work)
	return nil
}

func lineOf(ctx context.Context) int {
	if hasPriority(ctx) {
		return known
	}
	return strangers
}

// enter returns when w may run.
func (q *queue) enter(ctx context.Context, w *waiter) error {
	if err := q.join(ctx, w); err != nil {
		return err
	}
	select {
	case err := <-w.turn: // the usual case: a slot was free
		return err
	default:
	}
	q.metrics.HashQueued(1)
	defer q.metrics.HashQueued(-1)
	ctx, cancel := context.WithTimeout(ctx, q.maxWait)
	defer cancel()
	select {
	case err := <-w.turn:
		return err
	case <-ctx.Done():
		return q.giveUp(w, ctx.Err())
	}
}

// join puts w at the end of its line, or says that it cannot be served in time.
func (q *queue) join(ctx context.Context, w *waiter) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ctx.Err() != nil {
		return q.busy(0, ctx.Err())
	}
	if late := q.ahead(w) - q.patience(ctx); late > 0 {
		return q.busy(late, nil)
	}
	if q.full() && !q.makeRoom(w) {
		return q.busy(0, nil)
	}
	q.lines[w.line].push(w)
	q.admit()
	return nil
}

// ready is the question of join without joining.
func (q *queue) ready(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := &waiter{weight: 1, line: lineOf(ctx)}
	if late := q.ahead(w) - q.patience(ctx); late > 0 {
		return q.busy(late, nil)
	}
	if q.full() && !q.mayDisplace(w) {
		return q.busy(0, nil)
	}
	return nil
}

func (q *queue) strangers() (waiting, limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lines[strangers].len(), q.limit
}

func (q *queue) full() bool { return q.lines[known].len()+q.lines[strangers].len() >= q.limit }

// mayDisplace reports whether w may take the place of a stranger.
func (q *queue) mayDisplace(w *waiter) bool {
	return w.line == known && q.lines[strangers].len() > q.limit/(knownTurns+1)
}

// makeRoom sends the stranger away who came last, and has waited least.
func (q *queue) makeRoom(w *waiter) bool {
	if !q.mayDisplace(w) {
		return false
	}
	q.lines[strangers].pop().turn <- q.busy(0, nil)
	return true
}

// admit lets run what fits. The head of the line whose turn it is holds up all
// others until it fits, so that a heavy hash is not passed for ever.
func (q *queue) admit() {
	for {
		l := q.nextLine()
		w := l.head()
		if w == nil || q.inUse+w.weight > int64(q.slots) {
			return
		}
		l.remove(w)
		q.inUse += w.weight
		if w.line == known && q.lines[strangers].len() > 0 {
			q.streak++
		} else {
			q.streak = 0
		}
		w.turn <- nil
	}
}

// nextLine is the line whose turn it is.
func (q *queue) nextLine() *line {
	waiting := q.lines[strangers].len() > 0
	if q.lines[known].len() == 0 || waiting && q.streak >= knownTurns {
		return &q.lines[strangers]
	}
	return &q.lines[known]
}

// giveUp takes w out of its line, unless its turn came at the same moment.
func (q *queue) giveUp(w *waiter, cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case err := <-w.turn:
		return err
	default:
	}
	q.lines[w.line].remove(w)
	q.admit() // it may have held up others
	return q.busy(0, cause)
}

// leave gives back the slots of w, which was computed in took.
func (q *queue) leave(w *waiter, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inUse -= w.weight
	q.pace.learn(took, w.weight)
	q.admit()
}

// ahead estimates how long w would wait: for half of what runs, and for all
// whose turn comes before.
func (q *queue) ahead(w *waiter) time.Duration {
	owners, others := q.lines[known].weight, q.lines[strangers].weight
	before := owners + min(others, owners/knownTurns)
	if w.line == strangers {
		before = others + min(owners, knownTurns*(others+1))
	}
	if before == 0 && q.inUse+w.weight <= int64(q.slots) {
		return 0
	}
	return q.pace.of(2*before+q.inUse, 2*q.slots)
}

// patience is how long the caller can wait: its own deadline may be nearer
// than ours.
func (q *queue) patience(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok && q.clock != nil {
		return min(q.maxWait, end.Sub(q.now()))
	}
	return q.maxWait
}

// busy tells a caller when to come back: when the queue has become short
// enough, and the place that is free then was not promised to another who was
// sent away before. Everybody told the same second would meet there again.
func (q *queue) busy(late time.Duration, cause error) error {
	now := q.now()
	free := now.Add(late)
	if q.booked.Before(free) {
		q.booked = free
	}
	q.booked = q.booked.Add(q.pace.of(1, q.slots))
	if last := now.Add(maxRetry); q.booked.After(last) {
		q.booked = last
	}
	err := apperr.Wrap(apperr.Unavailable, "busy", cause)
	err.RetryAfter = max(roundUp(q.booked.Sub(now)), time.Second)
	return err
}

// roundUp is d in whole seconds, as Retry-After is (RFC 9110, section 10.2.3).
func roundUp(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// now is the time, or always the same moment without a clock: nothing is then
// estimated, and the bounds alone decide.
func (q *queue) now() time.Time {
	if q.clock == nil {
		return time.Time{}
	}
	return q.clock()
}

// pace is how long one unit of weight has lately taken.
type pace time.Duration

// learn moves the pace an eighth of the way towards what was measured.
func (p *pace) learn(took time.Duration, weight int64) {
	each := pace(took / time.Duration(max(weight, 1)))
	if *p == 0 {
		*p = each
		return
	}
	*p += (each - *p) / 8
}

// of is the time that units of weight take in slots.
func (p pace) of(units int64, slots int) time.Duration {
	return time.Duration(p) * time.Duration(units) / time.Duration(slots)
}
