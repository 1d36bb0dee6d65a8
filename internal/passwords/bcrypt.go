package passwords

import (
	"errors"
	"regexp"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

// Costs of bcrypt that we take over: 4 is the library's least, 14 is about a
// second of work.
const minBcryptCost, maxBcryptCost = 4, 14

// bcryptMax is how many bytes bcrypt looks at.
const bcryptMax = 72

var (
	errBcryptForm = errors.New("passwords: not a bcrypt hash ($2a$, $2b$ or $2y$)")
	errBcryptCost = errors.New("passwords: the bcrypt cost is outside 4 to 14")
)

// bcryptForm leaves out $2x$, the mark of a broken implementation, which the
// library would take for a good one.
var bcryptForm = regexp.MustCompile(`\A\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}\z`)

// bcryptHash is a hash of another system; we make none.
type bcryptHash struct {
	foreign
	encoded []byte
	cost    int
}

func parseBcrypt(encoded string) (bcryptHash, error) {
	m := bcryptForm.FindStringSubmatch(encoded)
	if m == nil {
		return bcryptHash{}, errBcryptForm
	}
	cost, err := strconv.Atoi(m[1])
	if err != nil || !within(cost, minBcryptCost, maxBcryptCost) {
		return bcryptHash{}, errBcryptCost
	}
	return bcryptHash{encoded: []byte(encoded), cost: cost}, nil
}

// match says no to a password longer than bcrypt can see: the library compares
// silently with the cut one, so that its first 72 bytes would let anybody in.
// NUL, with which "ab" would equal "ab\x00ab", was refused before.
func (b bcryptHash) match(password []byte) bool {
	seen := password[:min(len(password), bcryptMax)]
	same := bcrypt.CompareHashAndPassword(b.encoded, seen) == nil
	return same && len(password) <= bcryptMax
}

func (b bcryptHash) work() int64 { return workBcryptRound << b.cost }
