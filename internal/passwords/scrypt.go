package passwords

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/scrypt"

	"gatehouse/internal/secrets"
)

var (
	errScryptForm = errors.New("passwords: not a scrypt hash ($scrypt$, scrypt$ of Django or scrypt: of Werkzeug)")
	errScryptCost = errors.New("passwords: the scrypt hash costs more than 256 MiB, 1 GiB in all, r=32 or p=16")
)

// scryptCost are the parameters of RFC 7914, section 2.
type scryptCost struct{ n, r, p int }

// ok keeps the caps, which let in N=2^17, r=8 (OWASP Password Storage Cheat
// Sheet) and everything that the systems we import from write.
func (c scryptCost) ok() bool {
	if c.n < 2 || bits.OnesCount(uint(c.n)) != 1 || c.n > 1<<21 || !within(c.r, 1, 32) || !within(c.p, 1, maxThreads) {
		return false
	}
	return c.memoryKiB() <= maxMemoryKiB && c.memoryKiB()*int64(c.p) <= maxPassesKiB
}

func (c scryptCost) memoryKiB() int64 { return max(1, int64(c.n)*int64(c.r)/8) }

func (c scryptCost) work() int64 { return c.memoryKiB() * int64(c.p) * workScryptKiB }

// derive is the whole work; it fails only for parameters that ok refuses.
func (c scryptCost) derive(password, salt []byte, size int) []byte {
	key, err := scrypt.Key(password, salt, c.n, c.r, c.p, size)
	if err != nil {
		return nil
	}
	return key
}

// scryptHash is a scrypt hash in any of the usual spellings.
type scryptHash struct {
	foreign
	cost      scryptCost
	salt, tag []byte
}

func (s scryptHash) match(password []byte) bool {
	return secrets.Equal(s.cost.derive(password, s.salt, len(s.tag)), s.tag)
}

func (s scryptHash) memoryKiB() int64 { return s.cost.memoryKiB() }

func (s scryptHash) work() int64 { return s.cost.work() }

func newScrypt(cost scryptCost, salt, tag []byte) (scryptHash, error) {
	switch {
	case !cost.ok():
		return scryptHash{}, errScryptCost
	case len(salt) > maxForeignSalt || !within(len(tag), minTag, maxTag):
		return scryptHash{}, errScryptForm
	}
	return scryptHash{cost: cost, salt: salt, tag: tag}, nil
}

var passlibScryptForm = regexp.MustCompile(`\A\$scrypt\$ln=([1-9][0-9]?),r=([1-9][0-9]?),p=([1-9][0-9]?)\$([^$]*)\$([^$]+)\z`)

// parsePasslibScrypt reads "$scrypt$ln=16,r=8,p=1$salt$tag" (PHC and passlib).
func parsePasslibScrypt(encoded string) (scryptHash, error) {
	m := passlibScryptForm.FindStringSubmatch(encoded)
	if m == nil {
		return scryptHash{}, errScryptForm
	}
	ln, r, p := number(m[1]), number(m[2]), number(m[3])
	salt, err := decode64(phc64, m[4])
	tag, err2 := decode64(phc64, m[5])
	if err != nil || err2 != nil {
		return scryptHash{}, errScryptForm
	}
	if ln > 21 {
		return scryptHash{}, errScryptCost
	}
	return newScrypt(scryptCost{1 << ln, r, p}, salt, tag)
}

// parseDjangoScrypt reads "scrypt$salt$16384$8$1$tag".
func parseDjangoScrypt(encoded string) (scryptHash, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[1] == "" {
		return scryptHash{}, errScryptForm
	}
	tag, err := decode64(std64, parts[5])
	if err != nil {
		return scryptHash{}, errScryptForm
	}
	return newScrypt(scryptCost{number(parts[2]), number(parts[3]), number(parts[4])}, []byte(parts[1]), tag)
}

// parseWerkzeugScrypt reads "scrypt:32768:8:1$salt$hex".
func parseWerkzeugScrypt(encoded string) (scryptHash, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 3 || parts[1] == "" {
		return scryptHash{}, errScryptForm
	}
	method := strings.Split(parts[0], ":")
	tag, err := hex.DecodeString(parts[2])
	if err != nil || len(method) != 4 {
		return scryptHash{}, errScryptForm
	}
	return newScrypt(scryptCost{number(method[1]), number(method[2]), number(method[3])}, []byte(parts[1]), tag)
}

// maxForeignSalt bounds the salts of schemes that set no bound themselves.
const maxForeignSalt = 128

// std64 is the usual base64 with padding and one spelling of the same bytes.
var std64 = base64.StdEncoding.Strict()

// decode64 also refuses the line breaks that Go's decoder skips.
func decode64(e *base64.Encoding, s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errUnknown
	}
	return e.DecodeString(s)
}

// number reads a decimal number without sign or leading zero; everything else,
// and what does not fit 32 bits, is 0, which no parameter may be.
func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || s[0] == '0' || s[0] == '+' {
		return 0
	}
	return int(n)
}
