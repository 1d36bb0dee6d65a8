package passwords

import (
	"sync"
	"time"

	"gatehouse/internal/argon2"
)

// keepMemory is how long the memory of the slots is kept after the last hash.
const keepMemory = time.Minute

// buffers is the memory in which hashes are computed. Each slot takes one and
// gives it back, so that a rush needs slots times the memory of a hash and
// leaves nothing behind for the collector. A nil one takes memory of Go's heap
// and keeps nothing.
type buffers struct {
	cost argon2.Params // of what is kept

	mu   sync.Mutex
	free []*argon2.Memory
	rest *time.Timer // fires when no hash has ended for keepMemory
}

func newBuffers(p Params) *buffers { return &buffers{cost: argon2.Params(p)} }

// take returns memory for a hash of cost p. It is called in a slot, which is
// why there is never more of it than slots.
func (b *buffers) take(p argon2.Params) *argon2.Memory {
	if b == nil {
		return argon2.NewMemory(p)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch last := len(b.free) - 1; {
	case !b.cost.Holds(p): // an imported hash that needs more
		return argon2.Map(p)
	case last < 0:
		return argon2.Map(b.cost)
	default:
		m := b.free[last]
		b.free = b.free[:last]
		return m
	}
}

// give takes memory back. What is larger than ours goes back to the system.
func (b *buffers) give(m *argon2.Memory) {
	if b == nil {
		return
	}
	if !m.Is(b.cost) {
		m.Free()
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, m)
	if b.rest == nil {
		b.rest = time.AfterFunc(keepMemory, b.drop)
		return
	}
	b.rest.Reset(keepMemory)
}

// drop gives the memory back to the system.
func (b *buffers) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.free {
		m.Free()
	}
	b.free = nil
}
