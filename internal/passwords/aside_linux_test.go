package passwords

import (
	"runtime"
	"syscall"
	"testing"
)

// The number that the system call returns falls by as much as a thread is nicer.
func priority(t *testing.T) int {
	t.Helper()
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAHashYieldsToEverythingElseAndLeavesOtherThreadsAlone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := priority(t)
	var inside int
	aside(func() { inside = priority(t) })
	if want := max(before-lowerBy, 1); inside != want {
		t.Errorf("a hash has priority %d, want %d", inside, want)
	}
	if after := priority(t); after != before {
		t.Errorf("the caller's priority went from %d to %d", before, after)
	}
	for range 50 { // no thread that was lowered serves anybody else
		done := make(chan int)
		go func() { raw, _ := syscall.Getpriority(syscall.PRIO_PROCESS, 0); done <- raw }()
		if raw := <-done; raw != before {
			t.Fatalf("another goroutine runs with priority %d, want %d", raw, before)
		}
	}
}
