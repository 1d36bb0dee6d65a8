package passwords

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"gatehouse/internal/apperr"
	"gatehouse/internal/metrics"
)

// queue admits a bounded number of hashes to run and a bounded number of
// callers to wait for them, first come, first served.
type queue struct {
	running *semaphore.Weighted
	slots   int64
	waiting atomic.Int64
	// finished counts hashes that ended while others waited.
	finished atomic.Int64
	limit    int64
	maxWait  time.Duration
	metrics  *metrics.Metrics
}

func newQueue(slots, limit int, maxWait time.Duration, m *metrics.Metrics) *queue {
	return &queue{
		running: semaphore.NewWeighted(int64(slots)),
		slots:   int64(slots),
		limit:   int64(limit),
		maxWait: maxWait,
		metrics: m,
	}
}

// run waits for weight slots, calls work and gives the slots back. The work
// itself is not interrupted: a hash takes tens of milliseconds.
func (q *queue) run(ctx context.Context, weight int64, work func()) error {
	// An imported hash may need more memory than all slots together; it then
	// runs alone, which is as much bounded as it can be.
	weight = min(weight, q.slots)
	if err := q.enter(ctx, weight); err != nil {
		q.metrics.HashRefused()
		return err
	}
	q.metrics.HashRunning(1)
	defer func() {
		q.metrics.HashRunning(-1)
		q.running.Release(weight)
	}()
	work()
	q.tidy()
	return nil
}

// tidy has the buffers of finished hashes collected, once per round of slots
// and only in a rush. Left alone, the collector lets dead buffers pile up to
// about three times those in use, because each is a large part of the heap:
// 118 to 156 MB were seen with two slots, and 98 MB with this. The slot is
// still held, so that nobody takes a new buffer meanwhile. Without a queue
// nothing is done: a collection costs a few hundredths of a hash.
func (q *queue) tidy() {
	if q.waiting.Load() > 0 && q.finished.Add(1)%q.slots == 0 {
		runtime.GC()
	}
}

func (q *queue) enter(ctx context.Context, weight int64) error {
	if ctx.Err() == nil && q.running.TryAcquire(weight) {
		return nil
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.limit {
		return q.busy(nil)
	}
	q.metrics.HashQueued(1)
	defer q.metrics.HashQueued(-1)
	ctx, cancel := context.WithTimeout(ctx, q.maxWait)
	defer cancel()
	if err := q.running.Acquire(ctx, weight); err != nil {
		return q.busy(err)
	}
	return nil
}

// busy tells the caller to come back when those who wait now have been served
// or have given up.
func (q *queue) busy(cause error) error {
	err := apperr.Wrap(apperr.Unavailable, "busy", cause)
	err.RetryAfter = max(q.maxWait.Round(time.Second), time.Second)
	return err
}
