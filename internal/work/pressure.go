package work

import (
	"math/bits"
	"sync"
	"time"
)

// Pressure says how hard this node is pressed, from two signs: strangers who
// wait for a hash, and strangers whose tries fail.
type Pressure struct {
	Clock func() time.Time
	// Queue is how many strangers wait for a hash, of how many that may; nil
	// looks at failures alone.
	Queue func() (waiting, limit int)
	// From is how many failed tries within Per are the first level; 0 looks at
	// the queue alone.
	From int
	Per  time.Duration

	mu       sync.Mutex
	window   int64 // the number of the period that now counts
	now, was int   // failures in it, and in the one before
}

// mostLevel is the highest level of pressure.
const mostLevel = mostBits - baseBits + 1

// Failed counts a try of a stranger that was wrong, or came without work.
func (p *Pressure) Failed() {
	if p == nil || p.From == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	p.now++
}

// turn begins a new period when its time has come.
func (p *Pressure) turn() {
	w := p.Clock().UnixNano() / int64(p.Per)
	switch w {
	case p.window:
		return
	case p.window + 1:
		p.was, p.now = p.now, 0
	default:
		p.was, p.now = 0, 0
	}
	p.window = w
}

// rate is about how many tries failed within the last Per: the share of the
// period before that is still part of it, and the one that runs.
func (p *Pressure) rate() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	passed := p.Clock().UnixNano() % int64(p.Per)
	return p.now + int(int64(p.was)*((int64(p.Per)-passed)>>20)/(int64(p.Per)>>20))
}

// Level is 0 without pressure and 5 at most. Failures raise it by one each time
// they double, the queue by one each eighth of it beyond the half.
func (p *Pressure) Level() int {
	if p == nil {
		return 0
	}
	level := 0
	if p.From > 0 {
		level = bits.Len(uint(p.rate() / p.From))
	}
	if p.Queue != nil {
		if waiting, limit := p.Queue(); limit > 0 && 2*waiting > limit {
			level = max(level, 1+(8*waiting-4*limit)/limit)
		}
	}
	return min(level, mostLevel)
}
