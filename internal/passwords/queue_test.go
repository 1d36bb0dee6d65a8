package passwords

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/apperr"
)

func TestNeverMoreHashesRunThanThereAreSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(queueOptions{slots: 3, limit: 100, maxWait: time.Minute, clock: time.Now})
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
		q := newQueue(queueOptions{slots: 1, limit: 10, maxWait: 5 * time.Second, clock: time.Now})
		release := make(chan struct{})
		go func() { _ = q.run(context.Background(), 1, func() { <-release }) }()
		synctest.Wait()
		start := time.Now()
		err := q.run(context.Background(), 1, func() { t.Error("ran without a slot") })
		if apperr.Reason(err) != "busy" || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if q.lines[strangers].len() != 0 {
			t.Error("the place in the queue was not given back")
		}
		close(release)
	})
}

func TestExactlyTheQueueIsServedInARush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(queueOptions{slots: 2, limit: 8, maxWait: time.Minute, clock: time.Now})
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
	q := newQueue(queueOptions{slots: 2, limit: 4, maxWait: time.Second})
	ran := false
	if err := q.run(t.Context(), 50, func() { ran = q.inUse == 2 }); err != nil || !ran {
		t.Errorf("ran alone: %v, %v", ran, err)
	}
}

func TestASlotComesBackFromWorkThatPanics(t *testing.T) {
	q := newQueue(queueOptions{slots: 1, limit: 1, maxWait: time.Second})
	func() {
		defer func() { _ = recover() }()
		_ = q.run(t.Context(), 1, func() { panic("broken") })
	}()
	if q.inUse != 0 {
		t.Error("the slot is lost")
	}
}

// standing is a queue whose one slot is taken, and who stands in it by the
// script: k is a known caller, s a stranger. done gets them as they are served
// or sent away.
type standing struct {
	*queue
	release chan struct{}
	served  []string
	refused map[string]*apperr.Error
	mu      sync.Mutex
}

func stand(o queueOptions) *standing {
	s := &standing{queue: newQueue(o), release: make(chan struct{}), refused: map[string]*apperr.Error{}}
	go func() { _ = s.run(context.Background(), 1, func() { <-s.release }) }()
	synctest.Wait()
	return s
}

func (s *standing) come(names ...string) {
	for _, name := range names {
		ctx := context.Background()
		if name[0] == 'k' {
			ctx = WithPriority(ctx)
		}
		go func() {
			err := s.run(ctx, 1, func() {
				time.Sleep(time.Second)
				s.mu.Lock()
				defer s.mu.Unlock()
				s.served = append(s.served, name)
			})
			if err != nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.refused[name] = apperr.From(err)
			}
		}()
		synctest.Wait()
	}
}

func (s *standing) finish() {
	close(s.release)
	time.Sleep(time.Hour)
	synctest.Wait()
}

func TestAKnownDeviceThatComesLastInAFullQueueIsServedNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stand(queueOptions{slots: 1, limit: 5, maxWait: time.Minute, clock: time.Now})
		s.come("s1", "s2", "s3", "s4", "s5", "k1")
		if len(s.refused) != 1 || s.refused["s5"] == nil {
			t.Errorf("sent away: %v, want the stranger who came last", s.refused)
		}
		s.finish()
		if got := strings.Join(s.served, " "); got != "k1 s1 s2 s3 s4" {
			t.Errorf("served in the order %s", got)
		}
	})
}

func TestStrangersAreServedAfterFourKnownDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stand(queueOptions{slots: 1, limit: 20, maxWait: time.Minute, clock: time.Now})
		s.come("s1", "s2", "k1", "k2", "k3", "k4", "k5", "k6")
		s.finish()
		if got := strings.Join(s.served, " "); got != "k1 k2 k3 k4 s1 k5 k6 s2" {
			t.Errorf("served in the order %s", got)
		}
	})
}

func TestKnownDevicesLeaveStrangersAFifthOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stand(queueOptions{slots: 1, limit: 5, maxWait: time.Minute, clock: time.Now})
		s.come("s1", "s2", "k1", "k2", "k3", "k4", "k5")
		if len(s.refused) != 2 || s.refused["s2"] == nil || s.refused["k5"] == nil {
			t.Errorf("sent away: %v, want the second stranger and then the fifth known", s.refused)
		}
		s.finish()
		if got := strings.Join(s.served, " "); got != "k1 k2 k3 k4 s1" {
			t.Errorf("served in the order %s", got)
		}
	})
}

func TestWhoeverCannotBeServedInTimeIsToldSoOnArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(queueOptions{slots: 1, limit: 100, maxWait: 5 * time.Second, clock: time.Now})
		_ = q.run(t.Context(), 1, func() { time.Sleep(2 * time.Second) }) // the pace is learnt
		s := &standing{queue: q, release: make(chan struct{}), refused: map[string]*apperr.Error{}}
		go func() { _ = s.run(context.Background(), 1, func() { <-s.release }) }()
		synctest.Wait()
		begin := time.Now()
		s.come("s1", "s2", "s3", "s4", "k1") // after 1, 3 and 5 s; 7 s is too late, and a known one waits 1 s
		if len(s.refused) != 1 || s.refused["s4"] == nil || time.Since(begin) != 0 {
			t.Errorf("%v were sent away after %s", s.refused, time.Since(begin))
		}
		if wait := s.refused["s4"].RetryAfter; wait != 4*time.Second {
			t.Errorf("told to come back after %s: the place is free after 2 s and taken for 2 s", wait)
		}
		s.finish()
	})
}

func TestACallerWhoseOwnDeadlineIsNearDoesNotWaitForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(queueOptions{slots: 1, limit: 100, maxWait: time.Minute, clock: time.Now})
		_ = q.run(t.Context(), 1, func() { time.Sleep(4 * time.Second) })
		s := &standing{queue: q, release: make(chan struct{}), refused: map[string]*apperr.Error{}}
		s.come("s1", "s2")
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		if err := q.run(ctx, 1, func() {}); apperr.Reason(err) != "busy" || time.Since(begin) != 0 {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		close(s.release)
		time.Sleep(time.Hour)
	})
}

func TestThoseWhoAreSentAwayComeBackOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(queueOptions{slots: 1, limit: 1, maxWait: time.Minute, clock: time.Now})
		_ = q.run(t.Context(), 1, func() { time.Sleep(time.Second) })
		s := &standing{queue: q, release: make(chan struct{}), refused: map[string]*apperr.Error{}}
		s.come("s-runs", "s-waits", "s1", "s2", "s3")
		for i, name := range []string{"s1", "s2", "s3"} {
			if want := time.Duration(i+1) * time.Second; s.refused[name].RetryAfter != want {
				t.Errorf("%s: %s, want %s", name, s.refused[name].RetryAfter, want)
			}
		}
		for range 100 {
			if e := apperr.From(q.run(t.Context(), 1, nil)); e.RetryAfter > maxRetry {
				t.Fatalf("told to stay away for %s", e.RetryAfter)
			}
		}
		time.Sleep(time.Hour)
	})
}

func TestReadySaysWhatAHashWouldBeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stand(queueOptions{slots: 1, limit: 5, maxWait: time.Minute, clock: time.Now})
		if err := s.ready(t.Context()); err != nil {
			t.Errorf("an empty queue: %v", err)
		}
		s.come("s1", "s2", "s3", "s4", "s5")
		if err := s.ready(t.Context()); apperr.Reason(err) != "busy" {
			t.Errorf("a stranger before a full queue: %v", err)
		}
		if err := s.ready(WithPriority(t.Context())); err != nil {
			t.Errorf("a known device before a queue of strangers: %v", err)
		}
		s.finish()
	})
}

func TestACallerWhoLeavesLetsTheOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(queueOptions{slots: 2, limit: 5, maxWait: time.Hour, clock: time.Now})
		release := make(chan struct{})
		go func() { _ = q.run(context.Background(), 1, func() { <-release }) }()
		synctest.Wait()
		heavy, leave := context.WithCancel(t.Context())
		go func() { _ = q.run(heavy, 2, func() { t.Error("it had left") }) }()
		synctest.Wait()
		served := false
		go func() { _ = q.run(t.Context(), 1, func() { served = true }) }()
		synctest.Wait()
		if served {
			t.Error("a light hash passed the heavy one that came before")
		}
		leave()
		synctest.Wait()
		if !served {
			t.Error("nobody was let in when the heavy one left")
		}
		close(release)
	})
}

// Thirty-two callers come, wait, lose patience and run at once; the race
// detector looks on, and nothing is left behind.
func TestManyCallersAtOnceLeaveAnEmptyQueue(t *testing.T) {
	q := newQueue(queueOptions{slots: 3, limit: 8, maxWait: 2 * time.Millisecond, clock: time.Now})
	var now, over atomic.Int64
	var all sync.WaitGroup
	for i := range 32 {
		ctx := t.Context()
		if i%3 == 0 {
			ctx = WithPriority(ctx)
		}
		weight := int64(1 + i%4)
		all.Go(func() {
			for range 100 {
				_ = q.run(ctx, weight, func() {
					if now.Add(min(weight, 3)) > 3 {
						over.Add(1)
					}
					runtime.Gosched()
					now.Add(-min(weight, 3))
				})
			}
		})
	}
	all.Wait()
	if over.Load() > 0 || q.inUse != 0 || q.lines[0].len()+q.lines[1].len() != 0 || q.lines[0].weight+q.lines[1].weight != 0 {
		t.Errorf("%d times too many ran; left behind: %d in use, %+v", over.Load(), q.inUse, q.lines)
	}
}

// Every script of comings, endings and losses of patience keeps the promises:
// never more weight than slots, never more waiting than places, nobody is both
// served and sent away, and nobody waits while there is room for the next one.
func FuzzTheQueueKeepsItsPromises(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 64, 65, 128, 192, 0, 0, 0, 255})
	f.Add([]byte{3, 3, 3, 3, 67, 67, 67, 67, 128, 128, 192, 128})
	f.Fuzz(func(t *testing.T, script []byte) {
		q := newQueue(queueOptions{slots: 3, limit: 5, maxWait: time.Second})
		var running, waiting []*waiter
		for _, step := range script {
			switch kind, arg := step>>6, int(step&63); {
			case kind < 2: // somebody comes
				w := &waiter{weight: int64(arg%3) + 1, line: int(kind), turn: make(chan error, 1)}
				if q.joinMarked(w) == nil {
					waiting = append(waiting, w)
				}
			case kind == 2 && len(running) > 0: // a hash ends
				i := arg % len(running)
				q.leave(running[i], time.Millisecond)
				running = slices.Delete(running, i, i+1)
			case kind == 3 && len(waiting) > 0: // somebody loses patience
				i := arg % len(waiting)
				if q.giveUp(waiting[i], context.Canceled) == nil {
					t.Fatal("a turn had been given and not seen")
				}
				waiting = slices.Delete(waiting, i, i+1)
			}
			waiting = slices.DeleteFunc(waiting, func(w *waiter) bool {
				select {
				case err := <-w.turn:
					if err == nil {
						running = append(running, w)
					}
					return true
				default:
					return false
				}
			})
			check(t, q, running, waiting)
		}
	})
}

// joinMarked is join with the line that the waiter says.
func (q *queue) joinMarked(w *waiter) error {
	ctx := context.Background()
	if w.line == known {
		ctx = WithPriority(ctx)
	}
	return q.join(ctx, w)
}

func check(t *testing.T, q *queue, running, waiting []*waiter) {
	t.Helper()
	var weight int64
	for _, w := range running {
		weight += w.weight
	}
	if weight != q.inUse || weight > int64(q.slots) {
		t.Fatalf("%d run, %d are counted, %d slots exist", weight, q.inUse, q.slots)
	}
	if n := q.lines[known].len() + q.lines[strangers].len(); n != len(waiting) || n > q.limit {
		t.Fatalf("%d wait, %d are counted, %d places exist", len(waiting), n, q.limit)
	}
	if w := q.nextLine().head(); w != nil && q.inUse+w.weight <= int64(q.slots) {
		t.Fatal("somebody waits whose turn it is and who fits")
	}
	if w := q.nextLine().head(); w == nil && len(waiting) > 0 {
		t.Fatal("nobody is next, and some wait")
	}
}
