package passwords

import (
	"errors"
	"strings"
)

// scheme is a stored hash that was read, ready to be compared.
type scheme interface {
	// match does the whole work whatever the password is.
	match(password []byte) bool
	memoryKiB() int64
	// current reports whether the hash is what we would make today.
	current(Params) bool
}

var errUnknown = errors.New("passwords: not a hash of a known kind")

// maxEncoded is longer than any hash of a known kind.
const maxEncoded = 512

// parse reads an encoded hash by the prefix of its kind.
func parse(encoded string) (scheme, error) {
	switch {
	case len(encoded) > maxEncoded:
		return nil, errUnknown
	case strings.HasPrefix(encoded, "$argon2"):
		return parseArgon(encoded)
	case strings.HasPrefix(encoded, "$2"):
		return parseBcrypt(encoded)
	}
	return nil, errUnknown
}
