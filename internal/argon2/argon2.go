// Package argon2 computes Argon2i and Argon2id (RFC 9106) with
// golang.org/x/crypto/argon2, in memory that the caller keeps.
//
// The library takes new memory for every hash, 19 MiB at our cost. In a rush
// of sign-ins the collector then either lets dead buffers pile up to three
// times those in use, or runs so often that it takes a fifth of the processor
// time; and pages that were given back to the system are faulted in again.
// With memory of its own for each slot, what hashes take is exactly slots
// times memory, whatever the load.
//
// The library has no call for that, so this package reaches the steps of its
// computation by their linker names and does between them what the library
// does, but for the allocation and the choice of the thread (passes.go). A release that renames a step does not link,
// and a test compares every result with the library's own; docs/decisions/0008
// weighs this against a copy of the code.
package argon2

import (
	_ "unsafe" // for linkname

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
)

// Version is the version of Argon2 that is computed (RFC 9106, section 3.1).
const Version = argon2.Version

// Mode is the kind of Argon2.
type Mode int

// The two kinds that are for passwords (RFC 9106, section 3.1: the type y).
const (
	Argon2i  Mode = 1
	Argon2id Mode = 2
)

// Params is the cost of a computation. Time and Threads are at least 1.
type Params struct {
	MemoryKiB, Time uint32
	Threads         uint8
}

const syncPoints = 4 // slices of a pass (RFC 9106, section 3.4)

// blocks is how many blocks of 1 KiB the computation works in: a multiple of
// four for each lane (RFC 9106, section 3.2, step 3).
func (p Params) blocks() uint32 {
	step := syncPoints * uint32(p.Threads)
	return max(p.MemoryKiB/step*step, 2*step)
}

// Holds reports whether memory for p is enough for other.
func (p Params) Holds(other Params) bool { return p.blocks() >= other.blocks() }

type block [128]uint64

// Memory is what one computation at a time works in. It holds what the last
// one left, from which its password cannot be told faster than by guessing.
type Memory struct {
	blocks []block
	mapped []byte // what Map took, or nil
}

// NewMemory takes the memory that computations of a cost need.
func NewMemory(p Params) *Memory { return &Memory{blocks: make([]block, p.blocks())} }

// Is reports whether the memory is what NewMemory takes for p.
func (m *Memory) Is(p Params) bool { return len(m.blocks) == int(p.blocks()) }

// Key derives a key of keyLen bytes. The memory must fit.
func (m *Memory) Key(mode Mode, password, salt []byte, p Params, keyLen uint32) []byte {
	if p.Time < 1 || p.Threads < 1 || int(p.blocks()) > len(m.blocks) {
		panic("argon2: no pass, no lane or too little memory")
	}
	lanes := uint32(p.Threads)
	h0 := initHash(password, salt, nil, nil, p.Time, p.MemoryKiB, lanes, keyLen, int(mode))
	b := m.blocks[:p.blocks()]
	// The first two blocks of each lane, made in a matrix of just these.
	for i, first := range initBlocks(&h0, 2*lanes, lanes) {
		b[i/2*(len(b)/int(lanes))+i%2] = first
	}
	f := fill{b: b, time: p.Time, lanes: lanes, mode: mode}
	f.passes()
	return extractKey(b, p.blocks(), lanes, keyLen)
}

//go:linkname initHash golang.org/x/crypto/argon2.initHash
func initHash(password, salt, key, data []byte, time, memory, threads, keyLen uint32, mode int) [blake2b.Size + 8]byte

//go:linkname initBlocks golang.org/x/crypto/argon2.initBlocks
func initBlocks(h0 *[blake2b.Size + 8]byte, memory, threads uint32) []block

//go:linkname extractKey golang.org/x/crypto/argon2.extractKey
func extractKey(b []block, memory, threads, keyLen uint32) []byte
