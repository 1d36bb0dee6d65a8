package secrets

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

const alphabet62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var errBase62 = errors.New("secrets: not base62 of that length")

// base62Len is how many characters n bytes take, always the same for one n, so
// that every byte string has exactly one spelling: ceil(8n / log2(62)). The
// quotient is irrational, so rounding errors are far too small to matter.
func base62Len(n int) int { return int(math.Ceil(float64(8*n) / math.Log2(62))) }

// The number is worked on as words of 64 bits, the highest first, and ten digits
// at a time: 62^10 is the largest power that fits a word. Every token that is
// read or written passes here, and big.Int took several times as long.
const (
	digitsAtOnce = 10
	powerAtOnce  = 839_299_365_868_340_224 // 62^10
)

// EncodeBase62 writes b as letters and digits of a fixed length, so that a
// token is one word to a double click and needs no escaping anywhere.
func EncodeBase62(b []byte) []byte {
	out := make([]byte, base62Len(len(b)))
	words := words62(b)
	for end := len(out); end > 0; end -= digitsAtOnce {
		var rest uint64
		for i := range words {
			words[i], rest = bits.Div64(rest, words[i], powerAtOnce)
		}
		for i := end - 1; i >= max(0, end-digitsAtOnce); i-- {
			out[i] = alphabet62[rest%62]
			rest /= 62
		}
	}
	return out
}

// words62 is the number that the bytes of b are.
func words62(b []byte) []uint64 {
	words := make([]uint64, (len(b)+7)/8)
	for i := range words {
		var word [8]byte
		end := len(b) - 8*(len(words)-1-i)
		part := b[max(0, end-8):end]
		copy(word[8-len(part):], part)
		words[i] = binary.BigEndian.Uint64(word[:])
	}
	return words
}

// DecodeBase62 reads exactly n bytes back. Any other length, character or a
// value too large is refused, so that no token has a second spelling.
func DecodeBase62(s string, n int) ([]byte, error) {
	if len(s) != base62Len(n) {
		return nil, errBase62
	}
	words := make([]uint64, (n+7)/8)
	for len(s) > 0 {
		// The first part is the odd one, so that all others are whole.
		part := s[:(len(s)-1)%digitsAtOnce+1]
		s = s[len(part):]
		value, power, ok := digits62(part)
		if !ok || !multiplyAdd(words, power, value) {
			return nil, errBase62
		}
	}
	out := make([]byte, 8*len(words))
	for i, word := range words {
		binary.BigEndian.PutUint64(out[8*i:], word)
	}
	for spare := len(out) - n; spare > 0; spare-- {
		if out[0] != 0 {
			return nil, errBase62
		}
		out = out[1:]
	}
	return out, nil
}

// digits62 is the value of at most digitsAtOnce digits, and 62 to their number.
func digits62(s string) (value, power uint64, ok bool) {
	power = 1
	for i := range len(s) {
		d := digit62(s[i])
		if d < 0 {
			return 0, 0, false
		}
		value, power = value*62+uint64(d), power*62
	}
	return value, power, true
}

// multiplyAdd makes words times factor plus add of words; false is an overflow.
func multiplyAdd(words []uint64, factor, add uint64) bool {
	for i := len(words) - 1; i >= 0; i-- {
		high, low := bits.Mul64(words[i], factor)
		low, carry := bits.Add64(low, add, 0)
		words[i], add = low, high+carry
	}
	return add == 0
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
