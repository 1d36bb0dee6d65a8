package testkit

import (
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/apperr"
)

// Race calls try from n goroutines that start together and returns how many of
// the calls reported a win.
func Race(t testing.TB, n int, try func(i int) (won bool, err error)) int {
	t.Helper()
	var won atomic.Int64
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			ok, err := try(i)
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return int(won.Load())
}

// Answers calls try from n goroutines that start together and counts their
// answers by the reason of the error; "" is success.
func Answers(n int, try func(i int) error) map[string]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	answers, begin := map[string]int{}, make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			why := apperr.Reason(try(i))
			mu.Lock()
			defer mu.Unlock()
			answers[why]++
		})
	}
	close(begin)
	all.Wait()
	return answers
}

// WantReason fails unless err has that stable word; "" is no error.
func WantReason(t testing.TB, err error, want string) {
	t.Helper()
	if got := apperr.Reason(err); got != want {
		t.Errorf("answer %q (%v), want %q", got, err, want)
	}
}
