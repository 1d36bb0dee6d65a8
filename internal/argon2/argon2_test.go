package argon2

import (
	"bytes"
	"encoding/hex"
	"testing"

	"golang.org/x/crypto/argon2"
)

// The memory is used again and again, larger than needed and full of what was
// computed before, and every result is the original's.
func TestUsedMemoryGivesTheResultsOfTheOriginal(t *testing.T) {
	m := NewMemory(Params{MemoryKiB: 4096, Time: 1, Threads: 4})
	for _, p := range []Params{
		{4096, 1, 4}, {4096, 3, 1}, {8, 1, 1}, {9, 2, 1}, {64, 1, 1}, {64, 4, 4}, {1000, 2, 3}, {4096, 2, 4}, {31, 5, 3},
	} {
		for _, size := range []uint32{16, 32, 64, 65, 100} {
			password, salt := []byte("four plain words here"), []byte("a salt of size")
			id := m.Key(Argon2id, password, salt, p, size)
			if want := argon2.IDKey(password, salt, p.Time, p.MemoryKiB, p.Threads, size); !bytes.Equal(id, want) {
				t.Errorf("argon2id %+v, %d bytes: %x, want %x", p, size, id, want)
			}
			i := m.Key(Argon2i, password, salt, p, size)
			if want := argon2.Key(password, salt, p.Time, p.MemoryKiB, p.Threads, size); !bytes.Equal(i, want) {
				t.Errorf("argon2i %+v, %d bytes: %x, want %x", p, size, i, want)
			}
		}
	}
}

// The vector of the reference implementation's test (phc-winner-argon2,
// src/test.c, version 0x13).
func TestTheVectorOfTheReferenceImplementation(t *testing.T) {
	p := Params{MemoryKiB: 64 * 1024, Time: 2, Threads: 1}
	key := NewMemory(p).Key(Argon2id, []byte("password"), []byte("somesalt"), p, 32)
	if got := hex.EncodeToString(key); got != "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7" {
		t.Error(got)
	}
}

func TestMappedMemoryIsAsGoodAndIsGivenBack(t *testing.T) {
	p := Params{MemoryKiB: 4096, Time: 2, Threads: 2}
	m := Map(p)
	got := m.Key(Argon2id, []byte("password"), []byte("somesalt"), p, 32)
	if want := argon2.IDKey([]byte("password"), []byte("somesalt"), p.Time, p.MemoryKiB, p.Threads, 32); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	m.Free()
	m.Free() // twice is once
	defer func() {
		if recover() == nil {
			t.Error("what was given back is still used")
		}
	}()
	m.Key(Argon2id, nil, nil, p, 32)
}

func TestMemoryThatIsTooSmallIsAMistakeOfTheProgram(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it was computed")
		}
	}()
	NewMemory(Params{MemoryKiB: 64, Time: 1, Threads: 1}).Key(Argon2id, nil, nil, Params{MemoryKiB: 128, Time: 1, Threads: 1}, 32)
}

func FuzzUsedMemoryGivesTheResultsOfTheOriginal(f *testing.F) {
	f.Add([]byte("password"), []byte("somesalt"), uint8(1), uint8(1), uint16(64))
	m := NewMemory(Params{MemoryKiB: 600, Time: 1, Threads: 1})
	f.Fuzz(func(t *testing.T, password, salt []byte, passes, lanes uint8, memory uint16) {
		p := Params{MemoryKiB: uint32(memory % 512), Time: uint32(passes%4) + 1, Threads: lanes%8 + 1}
		got := m.Key(Argon2id, password, salt, p, 32)
		if want := argon2.IDKey(password, salt, p.Time, p.MemoryKiB, p.Threads, 32); !bytes.Equal(got, want) {
			t.Errorf("%+v: %x, want %x", p, got, want)
		}
	})
}
