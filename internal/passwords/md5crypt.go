package passwords

import (
	"crypto/md5"
	"errors"
	"regexp"

	"gatehouse/internal/secrets"
)

var (
	errMD5Crypt  = errors.New("passwords: not an md5-crypt hash ($1$)")
	md5CryptForm = regexp.MustCompile(`\A\$1\$([./A-Za-z0-9]{0,8})\$([./A-Za-z0-9]{22})\z`)
	md5Order     = []int{0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5, -1, -1, 11}
)

const md5CryptRounds = 1000

// md5CryptHash is the crypt of the nineties. It is weak: a graphics card tries
// millions a second, so the password is changed before it opens anything.
type md5CryptHash struct {
	foreign
	salt, tag []byte
}

func (m md5CryptHash) match(password []byte) bool {
	seen, whole := cut(password)
	return secrets.Equal(permuted(md5Crypt(seen, m.salt), md5Order), m.tag) && whole
}

func (md5CryptHash) work() int64 { return md5CryptRounds / workMD5Rounds }

func (md5CryptHash) weak() bool { return true }

func parseMD5Crypt(encoded string) (md5CryptHash, error) {
	f := md5CryptForm.FindStringSubmatch(encoded)
	if f == nil {
		return md5CryptHash{}, errMD5Crypt
	}
	return md5CryptHash{salt: []byte(f[1]), tag: []byte(f[2])}, nil
}

func md5Crypt(password, salt []byte) []byte {
	a := md5Start(password, salt)
	h := md5.New()
	for i := range md5CryptRounds {
		h.Reset()
		first, last := a, password
		if i%2 == 1 {
			first, last = password, a
		}
		h.Write(first)
		if i%3 != 0 {
			h.Write(salt)
		}
		if i%7 != 0 {
			h.Write(password)
		}
		h.Write(last)
		a = h.Sum(nil)
	}
	return a
}

// md5Start mixes the password in as the first implementation did: bits of its
// length choose between a zero byte and its first character.
func md5Start(password, salt []byte) []byte {
	b := md5.Sum(append(append(append([]byte{}, password...), salt...), password...))
	h := md5.New()
	h.Write(password)
	h.Write([]byte("$1$"))
	h.Write(salt)
	h.Write(fill(b[:], len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			h.Write([]byte{0})
		} else {
			h.Write(password[:1])
		}
	}
	return h.Sum(nil)
}
