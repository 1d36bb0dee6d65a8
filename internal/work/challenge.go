package work

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"gatehouse/internal/secrets"
)

const (
	// version begins a challenge, and will be another when its form is.
	version = "gh1"
	// challengeLife is how long a challenge may be answered, as long as somebody
	// takes to fill in a form.
	challengeLife = 2 * time.Minute
	// The work of level 1 is 2^18 hashes on average: about a second of a phone in
	// a script, and of the same order as the password hash that it pays for. Each
	// level doubles it, until it is 16 times that.
	baseBits  = 18
	mostBits  = 22
	nonceSize = 16
	tagSize   = 16
	// mostDigits is the longest counter: every integer that a script knows
	// exactly has at most 16 digits.
	mostDigits = 16
)

// Challenge is what a stranger is asked. It is solved by a counter n, written
// in decimal digits, for which SHA-256(Text + "." + n) begins with Bits zero
// bits; the answer is Text + "." + n.
type Challenge struct {
	Text string
	Bits int
	Life time.Duration
}

// answer is an answer that has the right form.
type answer struct {
	challenge string // without the counter
	bits      int
	expires   int64 // seconds since 1970
	nonce     []byte
	tag       []byte
}

var text64 = base64.RawURLEncoding.Strict()

// challenge makes one for a purpose and whoever is to answer it.
func (g *Gate) challenge(a Ask, level int) Challenge {
	n := min(baseBits+level-1, mostBits)
	expires := g.clock().Add(challengeLife).Unix()
	nonce := secrets.Random(nonceSize)
	head := version + "." + strconv.Itoa(n) + "." + strconv.FormatInt(expires, 10) + "." + text64.EncodeToString(nonce)
	return Challenge{Text: head + "." + text64.EncodeToString(g.tag(a, head)), Bits: n, Life: challengeLife}
}

// tag binds what is signed to the purpose and to whoever it was given to, so
// that neither can be answered in another place (a farm that solves for many).
func (g *Gate) tag(a Ask, head string) []byte {
	return g.box.MAC("work", []byte(a.Purpose), a.holder(), []byte(head))[:tagSize]
}

// parseAnswer reads the one spelling of an answer: what has two would be good
// for twice.
func parseAnswer(s string) (answer, bool) {
	if len(s) > 128 {
		return answer{}, false
	}
	parts := strings.Split(s, ".")
	if len(parts) != 6 || parts[0] != version || !decimal(parts[5], mostDigits) || !decimal(parts[1], 2) || !decimal(parts[2], 12) {
		return answer{}, false
	}
	a := answer{challenge: s[:len(s)-len(parts[5])-1]}
	a.bits, _ = strconv.Atoi(parts[1])
	a.expires, _ = strconv.ParseInt(parts[2], 10, 64)
	var err, err2 error
	a.nonce, err = text64.DecodeString(parts[3])
	a.tag, err2 = text64.DecodeString(parts[4])
	return a, err == nil && err2 == nil && len(a.nonce) == nonceSize && len(a.tag) == tagSize
}

// head is the part of the challenge that is signed.
func (a answer) head() string { return a.challenge[:strings.LastIndexByte(a.challenge, '.')] }

// decimal reports whether s is a number as strconv writes it.
func decimal(s string, most int) bool {
	if s == "" || len(s) > most || s[0] == '0' && len(s) > 1 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// valid reports whether the answer is a solution of a challenge of ours, for
// this purpose and this holder, that has not expired. It is all that is done
// before anything is written, and takes a few microseconds.
func (g *Gate) valid(a Ask, ans answer) bool {
	left := time.Unix(ans.expires, 0).Sub(g.clock())
	return left > 0 && left <= challengeLife+apart && secrets.Equal(ans.tag, g.tag(a, ans.head())) && zeros(a.Answer) >= ans.bits
}

// zeros is how many zero bits the hash of an answer begins with.
func zeros(s string) int {
	sum := sha256.Sum256([]byte(s))
	return bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:8]))
}

// Solve is what a script does in a browser, for tests and tools.
func Solve(c Challenge) string {
	for n := 0; ; n++ {
		if s := c.Text + "." + strconv.Itoa(n); zeros(s) >= c.Bits {
			return s
		}
	}
}
