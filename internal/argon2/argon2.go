// Copyright 2017 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// Package argon2 is golang.org/x/crypto/argon2 of v0.58.0 with one change: the
// memory of a computation is the caller's and can be used again.
//
// The original takes new memory for every hash, 19 MiB at our cost. In a rush
// of sign-ins the collector then either lets dead buffers pile up to three
// times those in use, or runs so often that it takes a fifth of the processor
// time. With memory of its own for each slot, what hashes take is exactly
// slots times memory, whatever the load.
//
// What differs from the original: Memory and Key, blocks that are handed in,
// and a first pass that overwrites instead of assuming zeros (the same result,
// RFC 9106, section 3.2). The machine code is unchanged; that of loong64 is
// left out. A test compares every result with the original.
package argon2

import (
	"encoding/binary"
	"sync"

	"golang.org/x/crypto/blake2b"
)

// Version is the version of Argon2 that is computed (RFC 9106, section 3.1).
const Version = 0x13

// Mode is the kind of Argon2.
type Mode int

// The two kinds that are for passwords (RFC 9106, section 3.1: the type y).
const (
	Argon2i  Mode = argon2i
	Argon2id Mode = argon2id
)

const (
	argon2i  = 1
	argon2id = 2
)

// Params is the cost of a computation. Time and Threads are at least 1.
type Params struct {
	MemoryKiB, Time uint32
	Threads         uint8
}

// blocks is how many blocks of 1 KiB the computation works in: a multiple of
// four for each lane (RFC 9106, section 3.2, step 3).
func (p Params) blocks() uint32 {
	step := syncPoints * uint32(p.Threads)
	return max(p.MemoryKiB/step*step, 2*step)
}

// Holds reports whether memory for p is enough for other.
func (p Params) Holds(other Params) bool { return p.blocks() >= other.blocks() }

// Memory is what one computation at a time works in. It holds what the last
// one left, from which its password cannot be told faster than by guessing.
type Memory struct{ blocks []block }

// NewMemory takes the memory that computations of a cost need.
func NewMemory(p Params) *Memory { return &Memory{blocks: make([]block, p.blocks())} }

// Is reports whether the memory is what NewMemory takes for p.
func (m *Memory) Is(p Params) bool { return len(m.blocks) == int(p.blocks()) }

// Key derives a key of keyLen bytes. The memory must fit.
func (m *Memory) Key(mode Mode, password, salt []byte, p Params, keyLen uint32) []byte {
	if p.Time < 1 || p.Threads < 1 || int(p.blocks()) > len(m.blocks) {
		panic("argon2: no pass, no lane or too little memory")
	}
	h0 := initHash(password, salt, nil, nil, p.Time, p.MemoryKiB, uint32(p.Threads), keyLen, int(mode))
	memory := p.blocks()
	B := m.blocks[:memory]
	initBlocks(B, &h0, memory, uint32(p.Threads))
	processBlocks(B, p.Time, memory, uint32(p.Threads), int(mode))
	return extractKey(B, memory, uint32(p.Threads), keyLen)
}

const (
	blockLength = 128
	syncPoints  = 4
)

type block [blockLength]uint64

func initHash(password, salt, key, data []byte, time, memory, threads, keyLen uint32, mode int) [blake2b.Size + 8]byte {
	var (
		h0     [blake2b.Size + 8]byte
		params [24]byte
		tmp    [4]byte
	)

	b2, _ := blake2b.New512(nil)
	binary.LittleEndian.PutUint32(params[0:4], threads)
	binary.LittleEndian.PutUint32(params[4:8], keyLen)
	binary.LittleEndian.PutUint32(params[8:12], memory)
	binary.LittleEndian.PutUint32(params[12:16], time)
	binary.LittleEndian.PutUint32(params[16:20], uint32(Version))
	binary.LittleEndian.PutUint32(params[20:24], uint32(mode))
	b2.Write(params[:])
	binary.LittleEndian.PutUint32(tmp[:], uint32(len(password)))
	b2.Write(tmp[:])
	b2.Write(password)
	binary.LittleEndian.PutUint32(tmp[:], uint32(len(salt)))
	b2.Write(tmp[:])
	b2.Write(salt)
	binary.LittleEndian.PutUint32(tmp[:], uint32(len(key)))
	b2.Write(tmp[:])
	b2.Write(key)
	binary.LittleEndian.PutUint32(tmp[:], uint32(len(data)))
	b2.Write(tmp[:])
	b2.Write(data)
	b2.Sum(h0[:0])
	return h0
}

func initBlocks(B []block, h0 *[blake2b.Size + 8]byte, memory, threads uint32) {
	var block0 [1024]byte
	for lane := uint32(0); lane < threads; lane++ {
		j := lane * (memory / threads)
		binary.LittleEndian.PutUint32(h0[blake2b.Size+4:], lane)

		binary.LittleEndian.PutUint32(h0[blake2b.Size:], 0)
		blake2bHash(block0[:], h0[:])
		for i := range B[j+0] {
			B[j+0][i] = binary.LittleEndian.Uint64(block0[i*8:])
		}

		binary.LittleEndian.PutUint32(h0[blake2b.Size:], 1)
		blake2bHash(block0[:], h0[:])
		for i := range B[j+1] {
			B[j+1][i] = binary.LittleEndian.Uint64(block0[i*8:])
		}
	}
}

func processBlocks(B []block, time, memory, threads uint32, mode int) {
	lanes := memory / threads
	segments := lanes / syncPoints

	processSegment := func(n, slice, lane uint32, wg *sync.WaitGroup) {
		var addresses, in, zero block
		if mode == argon2i || (mode == argon2id && n == 0 && slice < syncPoints/2) {
			in[0] = uint64(n)
			in[1] = uint64(lane)
			in[2] = uint64(slice)
			in[3] = uint64(memory)
			in[4] = uint64(time)
			in[5] = uint64(mode)
		}

		index := uint32(0)
		if n == 0 && slice == 0 {
			index = 2 // we have already generated the first two blocks
			if mode == argon2i || mode == argon2id {
				in[6]++
				processBlock(&addresses, &in, &zero)
				processBlock(&addresses, &addresses, &zero)
			}
		}

		offset := lane*lanes + slice*segments + index
		var random uint64
		for index < segments {
			prev := offset - 1
			if index == 0 && slice == 0 {
				prev += lanes // last block in lane
			}
			if mode == argon2i || (mode == argon2id && n == 0 && slice < syncPoints/2) {
				if index%blockLength == 0 {
					in[6]++
					processBlock(&addresses, &in, &zero)
					processBlock(&addresses, &addresses, &zero)
				}
				random = addresses[index%blockLength]
			} else {
				random = B[prev][0]
			}
			newOffset := indexAlpha(random, lanes, segments, threads, n, slice, lane, index)
			if n == 0 { // the block holds what an earlier computation left
				processBlock(&B[offset], &B[prev], &B[newOffset])
			} else {
				processBlockXOR(&B[offset], &B[prev], &B[newOffset])
			}
			index, offset = index+1, offset+1
		}
		wg.Done()
	}

	for n := uint32(0); n < time; n++ {
		for slice := uint32(0); slice < syncPoints; slice++ {
			var wg sync.WaitGroup
			for lane := uint32(0); lane < threads; lane++ {
				wg.Add(1)
				go processSegment(n, slice, lane, &wg)
			}
			wg.Wait()
		}
	}

}

func extractKey(B []block, memory, threads, keyLen uint32) []byte {
	lanes := memory / threads
	for lane := uint32(0); lane < threads-1; lane++ {
		for i, v := range B[(lane*lanes)+lanes-1] {
			B[memory-1][i] ^= v
		}
	}

	var block [1024]byte
	for i, v := range B[memory-1] {
		binary.LittleEndian.PutUint64(block[i*8:], v)
	}
	key := make([]byte, keyLen)
	blake2bHash(key, block[:])
	return key
}

func indexAlpha(rand uint64, lanes, segments, threads, n, slice, lane, index uint32) uint32 {
	refLane := uint32(rand>>32) % threads
	if n == 0 && slice == 0 {
		refLane = lane
	}
	m, s := 3*segments, ((slice+1)%syncPoints)*segments
	if lane == refLane {
		m += index
	}
	if n == 0 {
		m, s = slice*segments, 0
		if slice == 0 || lane == refLane {
			m += index
		}
	}
	if index == 0 || lane == refLane {
		m--
	}
	return phi(rand, uint64(m), uint64(s), refLane, lanes)
}

func phi(rand, m, s uint64, lane, lanes uint32) uint32 {
	p := rand & 0xFFFFFFFF
	p = (p * p) >> 32
	p = (p * m) >> 32
	return lane*lanes + uint32((s+m-(p+1))%uint64(lanes))
}
