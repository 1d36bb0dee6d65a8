package passwords

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/apperr"
)

func TestNeverMoreHashesRunThanThereAreSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(3, 100, time.Minute, nil)
		var now, most, served atomic.Int64
		for i := range 32 {
			weight := int64(1 + i%2)
			go func() {
				_ = q.run(t.Context(), weight, func() {
					most.Store(max(most.Load(), now.Add(weight)))
					time.Sleep(time.Second) // in the bubble's time
					now.Add(-weight)
					served.Add(1)
				})
			}()
		}
		time.Sleep(time.Minute)
		if most.Load() != 3 || served.Load() != 32 {
			t.Errorf("%d slots were in use, 3 exist; %d of 32 were served", most.Load(), served.Load())
		}
	})
}

func TestATurnThatComesTooLateIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 10, 5*time.Second, nil)
		release := make(chan struct{})
		go func() { _ = q.run(context.Background(), 1, func() { <-release }) }()
		synctest.Wait()
		start := time.Now()
		err := q.run(context.Background(), 1, func() { t.Error("ran without a slot") })
		if apperr.Reason(err) != "busy" || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if q.waiting.Load() != 0 {
			t.Error("the place in the queue was not given back")
		}
		close(release)
	})
}

func TestExactlyTheQueueIsServedInARush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 8, time.Minute, nil)
		release := make(chan struct{})
		var served, refused atomic.Int64
		for range 32 {
			go func() {
				if q.run(context.Background(), 1, func() { <-release }) == nil {
					served.Add(1)
				} else {
					refused.Add(1)
				}
			}()
		}
		synctest.Wait()
		if refused.Load() != 22 {
			t.Errorf("%d were refused at once, want 22 of 32", refused.Load())
		}
		close(release)
		synctest.Wait()
		if served.Load() != 10 {
			t.Errorf("%d were served, want 2 slots and 8 places", served.Load())
		}
	})
}

func TestAHashHeavierThanAllSlotsRunsAlone(t *testing.T) {
	q := newQueue(2, 4, time.Second, nil)
	ran := false
	if err := q.run(t.Context(), 50, func() { ran = !q.running.TryAcquire(1) }); err != nil || !ran {
		t.Errorf("ran alone: %v, %v", ran, err)
	}
}

func TestASlotComesBackFromWorkThatPanics(t *testing.T) {
	q := newQueue(1, 1, time.Second, nil)
	func() {
		defer func() { _ = recover() }()
		_ = q.run(t.Context(), 1, func() { panic("broken") })
	}()
	if !q.running.TryAcquire(1) {
		t.Error("the slot is lost")
	}
}
