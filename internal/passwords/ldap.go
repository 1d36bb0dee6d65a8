package passwords

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"strings"

	"gatehouse/internal/secrets"
)

var errLDAP = errors.New("passwords: not a userPassword of a kind we know ({SSHA}, {SSHA256}, {SSHA512}, {SHA}, {SMD5}, {MD5}, {PBKDF2...}, {ARGON2} or {CRYPT})")

// digest is one of the plain digests of RFC 2307, section 5.3, and what
// directories made of it.
type digest struct {
	make   func() hash.Hash
	size   int
	salted bool
	weak   bool
}

// Without salt one table opens every account at once, and MD5 is the cheapest
// of all: both are taken over only with a change of the password. Salted SHA
// is cheap as well, but it is what directories hold; it is replaced at the
// first sign-in like every other.
var digests = map[string]digest{
	"SSHA":    {sha1.New, sha1.Size, true, false},
	"SSHA256": {sha256.New, sha256.Size, true, false},
	"SSHA512": {sha512.New, sha512.Size, true, false},
	"SHA":     {sha1.New, sha1.Size, false, true},
	"SHA256":  {sha256.New, sha256.Size, false, true},
	"SHA512":  {sha512.New, sha512.Size, false, true},
	"SMD5":    {md5.New, md5.Size, true, true},
	"MD5":     {md5.New, md5.Size, false, true},
}

// ldapHash is one round of a digest over password and salt.
type ldapHash struct {
	foreign
	digest    digest
	tag, salt []byte
}

func (l ldapHash) match(password []byte) bool {
	h := l.digest.make()
	h.Write(password)
	h.Write(l.salt)
	return secrets.Equal(h.Sum(nil), l.tag)
}

func (ldapHash) work() int64 { return 1 }

func (l ldapHash) weak() bool { return l.digest.weak }

// parseLDAP reads "{SCHEME}rest". The names of schemes have no case.
func parseLDAP(encoded string) (scheme, error) {
	name, rest, ok := strings.Cut(encoded[1:], "}")
	if !ok {
		return nil, errLDAP
	}
	switch name = strings.ToUpper(name); name {
	case "CRYPT", "ARGON2", "BCRYPT":
		if !strings.HasPrefix(rest, "$") { // the DES of old has no mark, and eight characters
			return nil, errLDAP
		}
		return parseBare(rest)
	case "PBKDF2", "PBKDF2-SHA1":
		return as(func(s string) (pbkdf2Hash, error) { return adaptedPBKDF2("sha1", s) })(rest)
	case "PBKDF2-SHA256", "PBKDF2-SHA512":
		return as(func(s string) (pbkdf2Hash, error) { return adaptedPBKDF2(strings.ToLower(name[len("PBKDF2-"):]), s) })(rest)
	}
	return as(func(s string) (ldapHash, error) { return parseDigest(digests[name], s) })(rest)
}

func parseDigest(d digest, s string) (ldapHash, error) {
	b, err := decode64(std64, s)
	if d.make == nil || err != nil || len(b) < d.size {
		return ldapHash{}, errLDAP
	}
	l := ldapHash{digest: d, tag: b[:d.size], salt: b[d.size:]}
	if d.salted && !within(len(l.salt), 1, maxForeignSalt) || !d.salted && len(l.salt) > 0 {
		return ldapHash{}, errLDAP
	}
	return l, nil
}
