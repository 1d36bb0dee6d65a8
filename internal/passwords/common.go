package passwords

import (
	"crypto/sha256"
	_ "embed"
	"sort"
	"strings"
)

// The list of common passwords of eight characters and more, in lower case, as
// the first commonLen bytes of the SHA-256 of each, sorted. It is searched where it lies in the program, so
// that it takes no memory of its own. README.md tells where it comes from.
//
//go:generate sh common_generate.sh
//go:embed common.bin
var commonHashes string

// commonLen bytes make a false alarm as likely as one in nine million
// passwords: 120,000 entries among 2^40 values.
const commonLen = 5

// CommonCount is how many passwords the list holds.
func CommonCount() int { return len(commonHashes) / commonLen }

// isCommon looks password up in the list (NIST SP 800-63B-4, section 3.1.1.2:
// compare against a blocklist of commonly used values).
func isCommon(password string) bool {
	sum := sha256.Sum256([]byte(strings.ToLower(password)))
	want := string(sum[:commonLen])
	i := sort.Search(CommonCount(), func(i int) bool { return commonAt(i) >= want })
	return i < CommonCount() && commonAt(i) == want
}

func commonAt(i int) string { return commonHashes[i*commonLen : (i+1)*commonLen] }
