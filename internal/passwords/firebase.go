package passwords

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"regexp"

	"gatehouse/internal/secrets"
)

var (
	errFirebase  = errors.New("passwords: not a $fbscrypt$ hash with the project's parameters n, r, p, ss and sk")
	firebaseForm = regexp.MustCompile(`\A\$fbscrypt\$v=1,n=([1-9][0-9]?),r=([1-9][0-9]?),p=([1-9][0-9]?),ss=([^,$]*),sk=([^,$]+)\$([^,$]*)\$([^,$]+)\z`)
)

// firebaseHash is the variant of scrypt that Firebase Authentication uses: the
// derived key encrypts the project's signer key, and the result is the hash.
// Its spelling, which carries the parameters of the project with each hash, is
// the one that Supabase made up for the same purpose:
//
//	$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=<signer key>$<salt>$<hash>
type firebaseHash struct {
	foreign
	cost           scryptCost
	salt, key, tag []byte
}

func (f firebaseHash) match(password []byte) bool {
	derived := f.cost.derive(password, f.salt, 32)
	block, err := aes.NewCipher(derived)
	if err != nil {
		return false
	}
	out := make([]byte, len(f.key))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(out, f.key)
	return secrets.Equal(out, f.tag)
}

func (f firebaseHash) memoryKiB() int64 { return f.cost.memoryKiB() }

func (f firebaseHash) work() int64 { return f.cost.work() }

func parseFirebase(encoded string) (firebaseHash, error) {
	m := firebaseForm.FindStringSubmatch(encoded)
	if m == nil {
		return firebaseHash{}, errFirebase
	}
	var decoded [4][]byte
	for i, s := range m[4:8] {
		b, err := decode64(std64, s)
		if err != nil || len(b) > maxForeignSalt {
			return firebaseHash{}, errFirebase
		}
		decoded[i] = b
	}
	separator, key, salt, tag := decoded[0], decoded[1], decoded[2], decoded[3]
	if len(key) < minTag || len(tag) != len(key) || len(salt) == 0 {
		return firebaseHash{}, errFirebase
	}
	ln := number(m[1])
	if ln > 21 {
		return firebaseHash{}, errScryptCost
	}
	cost := scryptCost{1 << ln, number(m[2]), number(m[3])}
	if !cost.ok() {
		return firebaseHash{}, errScryptCost
	}
	return firebaseHash{cost: cost, salt: append(salt, separator...), key: key, tag: tag}, nil
}
