package passwords

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"strings"

	"gatehouse/internal/secrets"
)

var (
	errPBKDF2Form = errors.New("passwords: not a PBKDF2 hash of Django, Werkzeug or passlib (Keycloak's credentials are turned into passlib's form)")
	errPBKDF2Cost = errors.New("passwords: the PBKDF2 hash takes more than 4,000,000 rounds, all blocks together")
)

// maxPBKDF2 rounds of SHA-256 are about a second of work. Django 6 writes
// 1,200,000 and OWASP asks for 1,300,000 of SHA-1.
const maxPBKDF2 = 4_000_000

// prf is a hash function that PBKDF2 runs on (RFC 8018, section 5.2).
type prf struct {
	make func() hash.Hash
	size int
	work int64 // rounds of it for one unit of cost.go
}

var prfs = map[string]prf{
	"sha1":   {sha1.New, sha1.Size, workSHA1Rounds},
	"sha256": {sha256.New, sha256.Size, workSHA256Rounds},
	"sha512": {sha512.New, sha512.Size, workSHA512Rounds},
}

// pbkdf2Hash is a PBKDF2 hash in any of the usual spellings.
type pbkdf2Hash struct {
	foreign
	prf       prf
	rounds    int
	salt, tag []byte
}

func (p pbkdf2Hash) match(password []byte) bool {
	key, err := pbkdf2.Key(p.prf.make, string(password), p.salt, p.rounds, len(p.tag))
	return err == nil && secrets.Equal(key, p.tag)
}

func (p pbkdf2Hash) work() int64 { return p.total() / p.prf.work }

// total is the rounds of all blocks: a tag longer than the hash function's
// output multiplies the work.
func (p pbkdf2Hash) total() int64 {
	return int64(p.rounds) * int64((len(p.tag)+p.prf.size-1)/p.prf.size)
}

func newPBKDF2(name, rounds string, salt, tag []byte) (pbkdf2Hash, error) {
	p := pbkdf2Hash{prf: prfs[name], rounds: number(rounds), salt: salt, tag: tag}
	switch {
	case p.prf.make == nil || !within(len(tag), minTag, maxTag) || !within(len(salt), 1, maxForeignSalt):
		return pbkdf2Hash{}, errPBKDF2Form
	case p.rounds == 0 && strings.Trim(rounds, "0123456789") == "" && len(rounds) > 9:
		return pbkdf2Hash{}, errPBKDF2Cost
	case p.rounds == 0:
		return pbkdf2Hash{}, errPBKDF2Form
	case p.total() > maxPBKDF2:
		return pbkdf2Hash{}, errPBKDF2Cost
	}
	return p, nil
}

// parseDjangoPBKDF2 reads "pbkdf2_sha256$600000$salt$tag".
func parseDjangoPBKDF2(encoded string) (pbkdf2Hash, error) {
	parts := strings.Split(encoded[len("pbkdf2_"):], "$")
	if len(parts) != 4 {
		return pbkdf2Hash{}, errPBKDF2Form
	}
	tag, err := decode64(std64, parts[3])
	if err != nil {
		return pbkdf2Hash{}, errPBKDF2Form
	}
	return newPBKDF2(parts[0], parts[1], []byte(parts[2]), tag)
}

// parseWerkzeugPBKDF2 reads "pbkdf2:sha256:600000$salt$hex". The form without
// rounds is refused: what it meant changed from version to version.
func parseWerkzeugPBKDF2(encoded string) (pbkdf2Hash, error) {
	parts := strings.Split(encoded, "$")
	method := strings.Split(parts[0], ":")
	if len(parts) != 3 || len(method) != 3 {
		return pbkdf2Hash{}, errPBKDF2Form
	}
	tag, err := hex.DecodeString(parts[2])
	if err != nil {
		return pbkdf2Hash{}, errPBKDF2Form
	}
	return newPBKDF2(method[1], method[2], []byte(parts[1]), tag)
}

// parsePasslibPBKDF2 reads "$pbkdf2-sha256$29000$salt$tag"; "$pbkdf2$" alone
// is SHA-1.
func parsePasslibPBKDF2(encoded string) (pbkdf2Hash, error) {
	name, rest, _ := strings.Cut(encoded[1:], "$")
	switch name {
	case "pbkdf2":
		name = "sha1"
	case "pbkdf2-sha256", "pbkdf2-sha512":
		name = name[len("pbkdf2-"):]
	default:
		return pbkdf2Hash{}, errPBKDF2Form
	}
	return adaptedPBKDF2(name, rest)
}

// adaptedPBKDF2 reads "rounds$salt$tag" in passlib's base64, which writes "."
// for "+" and no padding.
func adaptedPBKDF2(name, s string) (pbkdf2Hash, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 3 || strings.Contains(s, "+") {
		return pbkdf2Hash{}, errPBKDF2Form
	}
	salt, err := decode64(phc64, strings.ReplaceAll(parts[1], ".", "+"))
	tag, err2 := decode64(phc64, strings.ReplaceAll(parts[2], ".", "+"))
	if err != nil || err2 != nil {
		return pbkdf2Hash{}, errPBKDF2Form
	}
	return newPBKDF2(name, parts[0], salt, tag)
}
