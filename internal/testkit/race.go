package testkit

import (
	"sync"
	"sync/atomic"
	"testing"
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
