package passwords

import "runtime"

// aside calls work on a thread of its own that yields to all others, and
// returns when it has ended. Hashes then take what is left of the processors
// and not what others wait for: a check of a token goes before a hash at once,
// instead of waiting for the ten milliseconds that Go lets a goroutine run.
//
// The thread ends with the work, because a thread that has lowered itself may
// not rise again. A new one costs a thousandth of a hash.
func aside(work func()) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }() // in the caller's goroutine it can be dealt with
		runtime.LockOSThread()                  // and never unlocked
		yieldToOthers()
		work()
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
}
