package passwords

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gatehouse/internal/argon2"
	"gatehouse/internal/secrets"
)

// Params is the cost of an argon2 hash (RFC 9106, section 3.1).
type Params struct {
	MemoryKiB, Time uint32
	Threads         uint8
}

// DefaultParams is the cost of new hashes: 19 MiB, two passes, one lane (OWASP
// Password Storage Cheat Sheet, argon2id).
func DefaultParams() Params { return Params{MemoryKiB: 19 * 1024, Time: 2, Threads: 1} }

// Sizes of what we make (RFC 9106, section 4) and bounds of what we take over.
// The caps let in what PHP (64 MiB, t=4), Django (100 MiB, t=2, p=8) and
// libsodium up to "moderate" (256 MiB, t=3) write.
const (
	saltLen, tagLen = 16, 32

	minSalt, maxSalt = 8, 64
	minTag, maxTag   = 16, 64
	maxMemoryKiB     = 256 * 1024
	maxTime          = 32
	maxThreads       = 16
	maxPassesKiB     = 1024 * 1024 // memory times passes: about a second of work
)

const argonVersion = argon2.Version // 0x13, written as 19

// argonHash is an argon2id or argon2i hash.
type argonHash struct {
	kind      string // "argon2id" or "argon2i"
	params    Params
	salt, tag []byte
	memory    *buffers // where it is computed; nil takes new memory
}

func newArgonHash(p Params, tag []byte) argonHash {
	return argonHash{kind: "argon2id", params: p, salt: secrets.Random(saltLen), tag: tag}
}

func (a argonHash) compute(password []byte) []byte {
	mode := argon2.Argon2id
	if a.kind == "argon2i" {
		mode = argon2.Argon2i
	}
	size := uint32(tagLen)
	if a.tag != nil {
		size = uint32(len(a.tag))
	}
	m := a.memory.take(argon2.Params(a.params))
	defer a.memory.give(m)
	return m.Key(mode, password, a.salt, argon2.Params(a.params), size)
}

func (a argonHash) match(password []byte) bool { return secrets.Equal(a.compute(password), a.tag) }

func (a argonHash) work() int64 { return a.params.work() }

func (argonHash) weak() bool { return false }

func (a argonHash) memoryKiB() int64 { return int64(a.params.MemoryKiB) }

// current asks for exactly our cost: a dearer hash would tell by its time that
// the account exists, and would take more than one slot at every sign-in.
func (a argonHash) current(p Params) bool {
	return a.kind == "argon2id" && a.params == p && len(a.salt) >= saltLen && len(a.tag) == tagLen
}

// phc64 is the base64 of the PHC string format: standard letters, no padding,
// and no second spelling of the same bytes.
var phc64 = base64.RawStdEncoding.Strict()

// String writes the PHC string.
func (a argonHash) String() string {
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", a.kind, argonVersion,
		a.params.MemoryKiB, a.params.Time, a.params.Threads,
		phc64.EncodeToString(a.salt), phc64.EncodeToString(a.tag))
}

var (
	errArgonForm = errors.New("passwords: not an argon2id or argon2i hash of version 19 in the PHC form")
	errArgonCost = errors.New("passwords: the argon2 hash costs more than 256 MiB, 32 passes, 16 lanes or 1 GiB-passes")
	errArgonSize = errors.New("passwords: the argon2 hash needs a salt of 8 to 64 and a tag of 16 to 64 bytes")
)

// parseArgon reads "$argon2id$v=19$m=19456,t=2,p=1$salt$tag". Versions before
// 19 and the fields "keyid" and "data" are refused: we could not compute them.
func parseArgon(encoded string) (argonHash, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[0] != "" || parts[2] != "v=19" {
		return argonHash{}, errArgonForm
	}
	a := argonHash{kind: parts[1]}
	if a.kind != "argon2id" && a.kind != "argon2i" {
		return argonHash{}, errArgonForm
	}
	var err error
	if a.params, err = parseCost(parts[3]); err != nil {
		return argonHash{}, err
	}
	var saltErr, tagErr error
	a.salt, saltErr = phc64.DecodeString(parts[4])
	a.tag, tagErr = phc64.DecodeString(parts[5])
	if saltErr != nil || tagErr != nil || strings.ContainsAny(parts[4]+parts[5], "\r\n") {
		return argonHash{}, errArgonForm // Go's decoder skips line breaks even when strict
	}
	if !within(len(a.salt), minSalt, maxSalt) || !within(len(a.tag), minTag, maxTag) {
		return argonHash{}, errArgonSize
	}
	return a, nil
}

// parseCost reads "m=19456,t=2,p=1", in this order, and keeps the caps.
func parseCost(s string) (Params, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return Params{}, errArgonForm
	}
	var n [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(fields[i], name)
		v, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || digits[0] == '0' {
			return Params{}, errArgonForm
		}
		n[i] = v
	}
	if n[0] > maxMemoryKiB || n[1] > maxTime || n[2] > maxThreads || n[0]*n[1] > maxPassesKiB {
		return Params{}, errArgonCost
	}
	if n[0] < 8*n[2] { // RFC 9106, section 3.1: at least 8 KiB a lane
		return Params{}, errArgonForm
	}
	return Params{MemoryKiB: uint32(n[0]), Time: uint32(n[1]), Threads: uint8(n[2])}, nil
}

func within(n, low, high int) bool { return n >= low && n <= high }
