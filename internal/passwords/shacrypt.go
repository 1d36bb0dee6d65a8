package passwords

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"regexp"
	"slices"

	"gatehouse/internal/secrets"
)

var (
	errSHACryptForm = errors.New("passwords: not a sha256-crypt ($5$) or sha512-crypt ($6$) hash")
	errSHACryptCost = errors.New("passwords: the crypt hash takes more than 1,000,000 rounds")
	shaCryptForm    = regexp.MustCompile(`\A\$([56])\$(?:rounds=([1-9][0-9]{3,8})\$)?([./A-Za-z0-9]{0,16})\$([./A-Za-z0-9]+)\z`)
)

// Rounds of sha-crypt ("Unix crypt using SHA-256 and SHA-512", Ulrich Drepper,
// version 0.6): 5,000 when nothing is said; our cap is about a second of work.
const defaultSHARounds, maxSHARounds = 5000, 1_000_000

// shaCryptHash is a hash of /etc/shadow.
type shaCryptHash struct {
	foreign
	sha    *shaCrypt
	rounds int
	salt   []byte
	tag    []byte // as it is written
}

// shaCrypt is one of the two: the hash function and how its bytes are written.
type shaCrypt struct {
	make  func() hash.Hash
	order []int
	size  int   // characters of the tag
	work  int64 // rounds for one unit of cost.go
}

var shaCrypts = map[string]*shaCrypt{
	"5": {sha256.New, shaOrder(10, []int{-1, 31, 30}, 30, rotateLeft), 43, workSHA256CryptRounds},
	"6": {sha512.New, shaOrder(21, []int{-1, -1, 63}, 63, rotateRight), 86, workSHA512CryptRounds},
}

func rotateLeft(g []int) []int  { return []int{g[2], g[0], g[1]} }
func rotateRight(g []int) []int { return []int{g[1], g[2], g[0]} }

// shaOrder is the order of bytes: (0,s,2s), turned by one at each step, and
// the rest at the end.
func shaOrder(step int, rest []int, size int, turn func([]int) []int) []int {
	order := []int{}
	group := []int{0, step, 2 * step}
	for len(order) < size {
		order = append(order, group...)
		next := turn(group)
		group = []int{next[0] + 1, next[1] + 1, next[2] + 1}
	}
	return append(order, rest...)
}

func (s shaCryptHash) match(password []byte) bool {
	seen, whole := cut(password)
	made := permuted(s.sha.compute(seen, s.salt, s.rounds), s.sha.order)
	return secrets.Equal(made, s.tag) && whole
}

func (s shaCryptHash) work() int64 { return int64(s.rounds) / s.sha.work }

func parseSHACrypt(encoded string) (shaCryptHash, error) {
	m := shaCryptForm.FindStringSubmatch(encoded)
	if m == nil {
		return shaCryptHash{}, errSHACryptForm
	}
	s := shaCryptHash{sha: shaCrypts[m[1]], rounds: defaultSHARounds, salt: []byte(m[3]), tag: []byte(m[4])}
	if m[2] != "" {
		s.rounds = number(m[2])
	}
	switch {
	case len(s.tag) != s.sha.size:
		return shaCryptHash{}, errSHACryptForm
	case s.rounds > maxSHARounds:
		return shaCryptHash{}, errSHACryptCost
	}
	return s, nil
}

// compute is the description's steps 1 to 21.
func (c *shaCrypt) compute(password, salt []byte, rounds int) []byte {
	sum := func(parts ...[]byte) []byte {
		h := c.make()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	a := c.start(password, salt, sum(password, salt, password))
	p := fill(sum(slices.Repeat([][]byte{password}, len(password))...), len(password))
	s := fill(sum(slices.Repeat([][]byte{salt}, 16+int(a[0]))...), len(salt))
	h := c.make()
	for i := range rounds {
		h.Reset()
		write := func(yes bool, b []byte) {
			if yes {
				h.Write(b)
			}
		}
		write(i%2 == 1, p)
		write(i%2 == 0, a)
		write(i%3 != 0, s)
		write(i%7 != 0, p)
		write(i%2 == 1, a)
		write(i%2 == 0, p)
		a = h.Sum(a[:0])
	}
	return a
}

// start is the steps 1 to 12.
func (c *shaCrypt) start(password, salt, b []byte) []byte {
	h := c.make()
	h.Write(password)
	h.Write(salt)
	h.Write(fill(b, len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			h.Write(b)
		} else {
			h.Write(password)
		}
	}
	return h.Sum(nil)
}

// fill repeats b until it has n bytes.
func fill(b []byte, n int) []byte {
	out := make([]byte, n)
	for i := 0; i < n; i += len(b) {
		copy(out[i:], b)
	}
	return out
}
