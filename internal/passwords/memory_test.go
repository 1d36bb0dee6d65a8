package passwords

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/argon2"
)

// Without memory that is used again, a rush of hashes leaves buffers behind
// that the collector finds late.
func TestARushTakesTheMemoryOfTheSlotsOnce(t *testing.T) {
	h := New(Options{Concurrency: 2, Queue: 100, MaxWait: time.Minute, Params: Params{MemoryKiB: 8 * 1024, Time: 1, Threads: 1}})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() { verify(t, h, "four plain words here", "") })
	}
	all.Wait()
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 20 || len(h.memory.free) > 2 {
		t.Errorf("32 hashes of 8 MiB in 2 slots took %d MiB and keep %d buffers", took, len(h.memory.free))
	}
}

func TestTheMemoryGoesBackAfterTheRush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := cheapHasher()
		verify(t, h, "four plain words here", "")
		time.Sleep(keepMemory - time.Second)
		verify(t, h, "four plain words here", "")
		time.Sleep(keepMemory - time.Second)
		h.memory.mu.Lock()
		kept := len(h.memory.free)
		h.memory.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if kept != 1 || h.memory.free != nil {
			t.Errorf("%d kept while in use, %d after a minute", kept, len(h.memory.free))
		}
	})
}

func TestTheMemoryOfADearHashIsNotKept(t *testing.T) {
	h := cheapHasher()
	dear := New(Options{Concurrency: 1, Params: Params{MemoryKiB: 4096, Time: 1, Threads: 1}})
	if r := verify(t, h, "four plain words here", hashOf(t, dear, "four plain words here")); !r.OK {
		t.Error("the right password did not match")
	}
	for _, m := range h.memory.free {
		if !m.Is(argon2.Params(h.params)) {
			t.Error("the memory of an imported hash was kept")
		}
	}
}
