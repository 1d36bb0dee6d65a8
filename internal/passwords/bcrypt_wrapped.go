package passwords

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"regexp"
)

// wrappedBcrypt is bcrypt of a digest of the password, by which other systems
// lift the limit of 72 bytes. digest returns text, so that no byte of it is
// NUL, at which bcrypt would stop.
type wrappedBcrypt struct {
	foreign
	inner  bcryptHash
	digest func(password []byte) []byte
}

func (w wrappedBcrypt) match(password []byte) bool { return w.inner.match(w.digest(password)) }

func (w wrappedBcrypt) work() int64 { return w.inner.work() }

// parseWordPress reads "$wp$2y$10$...", which WordPress writes since 6.8:
// bcrypt of the base64 of an HMAC-SHA-384 under the key "wp-sha384".
func parseWordPress(encoded string) (wrappedBcrypt, error) {
	inner, err := parseBcrypt(encoded[len("$wp"):])
	return wrappedBcrypt{inner: inner, digest: func(password []byte) []byte {
		mac := hmac.New(sha512.New384, []byte("wp-sha384"))
		mac.Write(password)
		return base64.StdEncoding.AppendEncode(nil, mac.Sum(nil))
	}}, err
}

// parseDjangoBcrypt reads "bcrypt_sha256$$2b$12$...": bcrypt of the hex digits
// of SHA-256.
func parseDjangoBcrypt(encoded string) (wrappedBcrypt, error) {
	inner, err := parseBcrypt(encoded[len("bcrypt_sha256$"):])
	return wrappedBcrypt{inner: inner, digest: func(password []byte) []byte {
		sum := sha256.Sum256(password)
		return hex.AppendEncode(nil, sum[:])
	}}, err
}

var (
	errPasslibBcrypt  = errors.New("passwords: not a $bcrypt-sha256$ hash of version 2")
	passlibBcryptForm = regexp.MustCompile(`\A\$bcrypt-sha256\$v=2,t=(2[aby]),r=([0-9]{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})\z`)
)

// parsePasslibBcrypt reads "$bcrypt-sha256$v=2,t=2b,r=12$salt$digest": bcrypt
// of the base64 of an HMAC-SHA-256 under the salt's text. Version 1, without
// a key, has another form and is refused.
func parsePasslibBcrypt(encoded string) (wrappedBcrypt, error) {
	m := passlibBcryptForm.FindStringSubmatch(encoded)
	if m == nil {
		return wrappedBcrypt{}, errPasslibBcrypt
	}
	cost, salt := m[2], []byte(m[3])
	if len(cost) == 1 {
		cost = "0" + cost
	}
	inner, err := parseBcrypt("$" + m[1] + "$" + cost + "$" + m[3] + m[4])
	return wrappedBcrypt{inner: inner, digest: func(password []byte) []byte {
		mac := hmac.New(sha256.New, salt)
		mac.Write(password)
		return base64.StdEncoding.AppendEncode(nil, mac.Sum(nil))
	}}, err
}
