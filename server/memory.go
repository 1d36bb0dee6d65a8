package server

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The product lives in about 5 MB of heap. Go's collector would then run for
// every 5 MB that requests leave behind, hundreds of times a second on a busy
// server, and take a fifth of its processor time. So while collections come
// that thick, the heap may grow to busyHeap before the next one; when they no
// longer do, the rule is Go's own again, and the memory goes back.
//
// A heap of more than half of busyHeap is never let grow further than Go's own
// rule says, and less far when most of it is plain bytes: a million endings are 60
// MB that the collector has not to look into, and which are no reason to let as
// much garbage pile up beside them.
const (
	busyHeap  = 24 << 20
	busyEvery = time.Second
	goRule    = 100 // percent, the default of GOGC
)

// collector watches the collections of this process. It is called after each
// one, by the finalizer of an object that nobody holds.
type collector struct {
	last    time.Time
	percent int
	live    []metrics.Sample // the heap that lives, and how much of it has pointers
}

// watchCollector starts the watch. Who sets GOGC knows better and is obeyed.
func watchCollector() {
	rule := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	if metrics.Read(rule); rule[0].Value.Uint64() != goRule {
		return
	}
	c := &collector{last: time.Now(), percent: goRule, live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/heap:bytes"}}}
	c.arm()
}

// keepBound has the collector work harder before the control group would have
// the process killed. A tenth is left for what is no heap. Who sets GOMEMLIMIT
// knows better and is obeyed.
func keepBound() {
	limit := []metrics.Sample{{Name: "/gc/gomemlimit:bytes"}}
	if metrics.Read(limit); limit[0].Value.Uint64() != math.MaxInt64 {
		return
	}
	if bound := memoryBound(os.DirFS("/")); bound > 0 {
		debug.SetMemoryLimit(int64(bound / 10 * 9))
	}
}

// machineMemory is what this process may use: the bound of its control group,
// or the memory of the machine; 0 when neither is known.
func machineMemory() uint64 {
	root := os.DirFS("/")
	return lower(memoryBound(root), totalMemory(root))
}

// afterStart gives back what only the start needed: tables that were parsed,
// plans that were compared. Left alone it would stay for minutes, because a
// server at rest hardly collects.
func afterStart() { debug.FreeOSMemory() }

// arm makes the object whose end tells that a collection ran.
func (c *collector) arm() {
	runtime.SetFinalizer(&struct{ self *collector }{c}, func(*struct{ self *collector }) {
		c.collected(time.Now())
		c.arm()
	})
}

func (c *collector) collected(now time.Time) {
	metrics.Read(c.live)
	percent := growth(c.live[0].Value.Uint64(), c.live[1].Value.Uint64(), now.Sub(c.last))
	c.last = now
	// Setting it stops the program for a moment, so small changes are left.
	if difference := percent - c.percent; difference > goRule/2 || difference < -goRule/2 {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}

// growth says by how many percent of live the heap may grow before the next
// collection, when the last one was so long ago. Pointers are the bytes of it that
// the collector looks into, which is nearly all of its work.
func growth(live, pointers uint64, since time.Duration) int {
	if live > busyHeap/2 {
		return int(min(goRule, max(busyHeap, pointers)*100/live))
	}
	if since > busyEvery || live == 0 {
		return goRule
	}
	return int(min((busyHeap-live)*100/live, 8*goRule))
}
