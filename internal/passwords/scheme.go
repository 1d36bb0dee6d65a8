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
	// work estimates the time of match, in the unit of cost.go.
	work() int64
	// current reports whether the hash is what we would make today.
	current(Params) bool
	// weak reports a hash so cheap to guess that its password must be changed
	// before it opens anything.
	weak() bool
}

// foreign is the part that all schemes of other systems share: little memory,
// never what we would make, and not too weak.
type foreign struct{}

func (foreign) memoryKiB() int64    { return 64 }
func (foreign) current(Params) bool { return false }
func (foreign) weak() bool          { return false }

var errUnknown = errors.New("passwords: not a hash of a known kind")

// maxEncoded is longer than any hash of a known kind.
const maxEncoded = 512

// family is the schemes that one parser reads, by the beginning of their
// hashes.
type family struct {
	prefixes []string
	parse    func(encoded string) (scheme, error)
}

// families is the one list of what can be taken over. The first prefix that
// fits decides, so a longer one stands before a shorter one.
var families = []family{
	{[]string{"$argon2"}, as(parseArgon)},
	{[]string{"$wp$2"}, as(parseWordPress)},
	{[]string{"$bcrypt-sha256$"}, as(parsePasslibBcrypt)},
	{[]string{"bcrypt_sha256$"}, as(parseDjangoBcrypt)},
	{[]string{"$2"}, as(parseBcrypt)},
	{[]string{"$scrypt$"}, as(parsePasslibScrypt)},
	{[]string{"scrypt$"}, as(parseDjangoScrypt)},
	{[]string{"scrypt:"}, as(parseWerkzeugScrypt)},
	{[]string{"$fbscrypt$"}, as(parseFirebase)},
	{[]string{"$pbkdf2"}, as(parsePasslibPBKDF2)},
	{[]string{"pbkdf2_"}, as(parseDjangoPBKDF2)},
	{[]string{"pbkdf2:"}, as(parseWerkzeugPBKDF2)},
	{[]string{"$5$", "$6$"}, as(parseSHACrypt)},
	{[]string{"$P$", "$H$"}, as(parsePHPass)},
	{[]string{"$1$"}, as(parseMD5Crypt)},
}

// wrapped are the marks that other systems put before a hash of a kind above.
var wrapped = []string{"argon2$argon2", "bcrypt$$2"}

// parse reads an encoded hash by the prefix of its kind.
func parse(encoded string) (scheme, error) {
	if len(encoded) > maxEncoded {
		return nil, errUnknown
	}
	for _, mark := range wrapped {
		if strings.HasPrefix(encoded, mark) { // Django: the name of its hasher, "$", the hash
			_, rest, _ := strings.Cut(encoded, "$")
			return parseBare("$" + strings.TrimPrefix(rest, "$"))
		}
	}
	if strings.HasPrefix(encoded, "{") {
		return parseLDAP(encoded)
	}
	return parseBare(encoded)
}

// parseBare reads a hash without any mark around it.
func parseBare(encoded string) (scheme, error) {
	for _, f := range families {
		for _, prefix := range f.prefixes {
			if strings.HasPrefix(encoded, prefix) {
				return f.parse(encoded)
			}
		}
	}
	return nil, errUnknown
}

// as makes a parser of one type a parser of schemes. A failed one returns no
// scheme at all, so that nobody can compare with half of one.
func as[S scheme](parse func(string) (S, error)) func(string) (scheme, error) {
	return func(encoded string) (scheme, error) {
		s, err := parse(encoded)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}
