package secrets

import (
	"errors"
	"math"
	"math/big"
)

const alphabet62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var errBase62 = errors.New("secrets: not base62 of that length")

// base62Len is how many characters n bytes take, always the same for one n, so
// that every byte string has exactly one spelling: ceil(8n / log2(62)). The
// quotient is irrational, so rounding errors are far too small to matter.
func base62Len(n int) int { return int(math.Ceil(float64(8*n) / math.Log2(62))) }

// EncodeBase62 writes b as letters and digits of a fixed length, so that a
// token is one word to a double click and needs no escaping anywhere.
func EncodeBase62(b []byte) []byte {
	out := make([]byte, base62Len(len(b)))
	n, mod, base := new(big.Int).SetBytes(b), new(big.Int), big.NewInt(62)
	for i := len(out) - 1; i >= 0; i-- {
		n.DivMod(n, base, mod)
		out[i] = alphabet62[mod.Int64()]
	}
	return out
}

// DecodeBase62 reads exactly n bytes back. Any other length, character or a
// value too large is refused, so that no token has a second spelling.
func DecodeBase62(s string, n int) ([]byte, error) {
	if len(s) != base62Len(n) {
		return nil, errBase62
	}
	v, base := new(big.Int), big.NewInt(62)
	for i := range len(s) {
		d := digit62(s[i])
		if d < 0 {
			return nil, errBase62
		}
		v.Mul(v, base).Add(v, big.NewInt(int64(d)))
	}
	if v.BitLen() > 8*n {
		return nil, errBase62
	}
	return v.FillBytes(make([]byte, n)), nil
}

func digit62(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 36
	}
	return -1
}
