// Package secrets makes, hashes, compares and seals secrets. It is the only
// package besides verify that touches crypto/rand.
package secrets

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"math/big"
)

// Raw is a secret in the clear. It prints, logs and marshals as "[secret]", so
// that it cannot leak by accident; Reveal is the one way out and easy to find.
type Raw struct{ b []byte }

// NewRaw takes ownership of b.
func NewRaw(b []byte) Raw { return Raw{b} }

// Reveal returns the secret itself, for the one place that must send it.
func (r Raw) Reveal() string { return string(r.b) }

// RevealBytes returns the secret itself. The caller must not change it.
func (r Raw) RevealBytes() []byte { return r.b }

// IsZero reports whether there is no secret.
func (r Raw) IsZero() bool { return len(r.b) == 0 }

const shown = "[secret]"

// String implements fmt.Stringer.
func (Raw) String() string { return shown }

// Format implements fmt.Formatter, so that %x and %#v hide it as well.
func (Raw) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(shown)) }

// MarshalText implements encoding.TextMarshaler, and so JSON.
func (Raw) MarshalText() ([]byte, error) { return []byte(shown), nil }

// LogValue implements slog.LogValuer.
func (Raw) LogValue() slog.Value { return slog.StringValue(shown) }

// Random returns n random bytes. It panics only when the operating system has
// none, which crypto/rand treats as fatal.
func Random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24: it stops the program instead
	return b
}

// NewToken returns prefix + 43 base62 characters that carry 256 random bits.
func NewToken(prefix string) Raw {
	return NewRaw(append([]byte(prefix), EncodeBase62(Random(32))...))
}

// Digits returns n random decimal digits, each equally likely.
func Digits(n int) Raw {
	b := make([]byte, n)
	for i := range b {
		d, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			panic(err) // as Random: no random numbers, no service
		}
		b[i] = '0' + byte(d.Int64())
	}
	return NewRaw(b)
}

// Hash is what the database keeps of a secret of at least 128 bits. A plain
// SHA-256 is enough for those: there is nothing to guess.
type Hash [sha256.Size]byte

// HashOf hashes a secret for one kind of use. The kind is part of the input,
// so that the hash of one kind never matches another. ok is false for an empty
// secret, which must be refused before any query.
func HashOf(kind, secret string) (h Hash, ok bool) {
	if secret == "" {
		return Hash{}, false
	}
	d := sha256.New()
	d.Write([]byte("gatehouse/" + kind + "\x00"))
	d.Write([]byte(secret))
	d.Sum(h[:0])
	return h, true
}

// Bytes returns the hash for a binary column.
func (h Hash) Bytes() []byte { return h[:] }

// Equal compares in constant time. Different lengths and two empty values are
// unequal: a missing secret never matches a missing one.
func Equal(a, b []byte) bool {
	return len(a) > 0 && len(a) == len(b) && subtle.ConstantTimeCompare(a, b) == 1
}
