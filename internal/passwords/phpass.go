package passwords

import (
	"crypto/md5"
	"errors"
	"strings"

	"gatehouse/internal/secrets"
)

var (
	errPHPassForm = errors.New("passwords: not a phpass hash ($P$ or $H$)")
	errPHPassCost = errors.New("passwords: the phpass hash takes more than 2^18 rounds")
)

// phpass writes 2^7 to 2^30 rounds; WordPress used 2^13. Our cap is about half
// a second for the longest password.
const minPHPass, maxPHPass = 7, 18

// phpassHash is the "portable hash" of phpass: MD5 in rounds (WordPress before
// 6.8, phpBB, Drupal 6).
type phpassHash struct {
	foreign
	log2      int
	salt, tag []byte
}

func (p phpassHash) match(password []byte) bool {
	seen, whole := cut(password)
	sum := md5.Sum(append(append([]byte{}, p.salt...), seen...))
	buf := make([]byte, md5.Size+len(seen))
	copy(buf[md5.Size:], seen)
	for range 1 << p.log2 {
		copy(buf, sum[:])
		sum = md5.Sum(buf)
	}
	return secrets.Equal(permuted(sum[:], phpassOrder), p.tag) && whole
}

var phpassOrder = []int{2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14, 13, 12, -1, -1, 15}

func (p phpassHash) work() int64 { return (1 << p.log2) / workMD5Rounds }

func parsePHPass(encoded string) (phpassHash, error) {
	if len(encoded) != 34 || !isCrypt64(encoded[3:]) {
		return phpassHash{}, errPHPassForm
	}
	p := phpassHash{log2: strings.IndexByte(crypt64, encoded[3]), salt: []byte(encoded[4:12]), tag: []byte(encoded[12:])}
	switch {
	case p.log2 < minPHPass || p.log2 > 30:
		return phpassHash{}, errPHPassForm
	case p.log2 > maxPHPass:
		return phpassHash{}, errPHPassCost
	}
	return p, nil
}
