package passwords

import "syscall"

// lowerBy is how much nicer a hash is than the rest of the process: a tenth of
// its share when they compete (sched(7)), so that hashes go on under any load.
// Tried under two hashes on two processors: without this, checks of tokens fell
// to a hundredth of the calm, with 5 to a quarter, with 10 to a third, and with
// 19 no further, because the collector has to wait for such a thread.
const lowerBy = 10

// yieldToOthers lowers the calling thread (setpriority(2): on Linux the number
// 0 is the thread, not the process). Where it is forbidden, nothing changes.
func yieldToOthers() {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	nice := 20 - raw // the system call returns 40 to 1 for -20 to 19
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(nice+lowerBy, 19))
}
