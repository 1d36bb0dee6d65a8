package passwords

import (
	"testing"

	"golang.org/x/crypto/argon2"
)

// The two benchmarks are a pair: the second must cost at most 1.05 of the first.
func BenchmarkBareArgon2id(b *testing.B) {
	p, salt := DefaultParams(), make([]byte, saltLen)
	for b.Loop() {
		argon2.IDKey([]byte("four plain words here"), salt, p.Time, p.MemoryKiB, p.Threads, tagLen)
	}
}

func BenchmarkVerify(b *testing.B) {
	h := New(Options{})
	encoded, err := h.Hash(b.Context(), "four plain words here")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r, err := h.Verify(b.Context(), "four plain words here", encoded); err != nil || !r.OK {
			b.Fatal(r, err)
		}
	}
}

func BenchmarkIsCommon(b *testing.B) {
	for b.Loop() {
		isCommon("four plain words here")
	}
}
