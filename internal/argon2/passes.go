package argon2

import (
	"sync"
	_ "unsafe" // for linkname
)

// passes fills the memory (RFC 9106, section 3.2, steps 5 and 6), the first
// lane on the caller's thread. The library gives every segment of a lane to a
// new goroutine, on whatever thread that comes: a caller who lowered its own
// (passwords, aside) would compute at the priority of everybody else.
func (f *fill) passes() {
	for f.pass = range f.time {
		for f.slice = range uint32(syncPoints) {
			var rest sync.WaitGroup
			for lane := uint32(1); lane < f.lanes; lane++ {
				rest.Go(func() { f.segment(lane) })
			}
			f.segment(0)
			rest.Wait()
		}
	}
}

// fill is a computation under way.
type fill struct {
	b           []block
	time, lanes uint32
	mode        Mode
	pass, slice uint32
}

// segment fills a quarter of a lane.
func (f *fill) segment(lane uint32) {
	length := uint32(len(f.b)) / f.lanes
	quarter := length / syncPoints
	a := f.addresses(lane)
	index := uint32(0)
	if f.pass == 0 && f.slice == 0 {
		index = 2 // the first two blocks are there
	}
	for ; index < quarter; index++ {
		at := lane*length + f.slice*quarter + index
		before := at - 1
		if index == 0 && f.slice == 0 {
			before += length // the last block of the lane
		}
		random := f.b[before][0]
		if a != nil {
			random = a.at(index)
		}
		from := indexAlpha(random, length, quarter, f.lanes, f.pass, f.slice, lane, index)
		if f.pass == 0 { // the block holds what an earlier computation left
			processBlock(&f.b[at], &f.b[before], &f.b[from])
		} else {
			processBlockXOR(&f.b[at], &f.b[before], &f.b[from])
		}
	}
}

// addresses are the pseudo-random numbers that depend on no password: all of
// Argon2i's, and those of the first half of Argon2id's first pass (RFC 9106,
// sections 3.4.1.2 and 3.4.1.3). Elsewhere it is nil.
func (f *fill) addresses(lane uint32) *addresses {
	if f.mode != Argon2i && (f.pass > 0 || f.slice >= syncPoints/2) {
		return nil
	}
	a := &addresses{have: -1}
	for i, v := range []uint32{f.pass, lane, f.slice, uint32(len(f.b)), f.time, uint32(f.mode)} {
		a.in[i] = uint64(v)
	}
	return a
}

type addresses struct {
	in, zero, out block
	have          int // the number of the block in out
}

// at is the number for the block of an index in the segment. Indexes grow.
func (a *addresses) at(index uint32) uint64 {
	for a.have < int(index)/len(a.out) {
		a.have++
		a.in[6]++
		processBlock(&a.out, &a.in, &a.zero)
		processBlock(&a.out, &a.out, &a.zero)
	}
	return a.out[int(index)%len(a.out)]
}

//go:noescape
//go:linkname processBlock golang.org/x/crypto/argon2.processBlock
func processBlock(out, in1, in2 *block)

//go:noescape
//go:linkname processBlockXOR golang.org/x/crypto/argon2.processBlockXOR
func processBlockXOR(out, in1, in2 *block)

//go:linkname indexAlpha golang.org/x/crypto/argon2.indexAlpha
func indexAlpha(rand uint64, lanes, segments, threads, n, slice, lane, index uint32) uint32
