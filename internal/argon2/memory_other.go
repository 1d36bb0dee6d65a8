//go:build !linux

package argon2

// Map is NewMemory where the system is not asked for memory.
func Map(p Params) *Memory { return NewMemory(p) }

// Free leaves the memory to the collector. It must not be used afterwards.
func (m *Memory) Free() { m.blocks = nil }
