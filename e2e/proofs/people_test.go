package proofs

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gatehouse/accounts/moving"
	"gatehouse/internal/passwords"
)

// The people whom the proofs of faults import. All have one password, and
// those with a second factor one seed each and ten codes.
const (
	peoplePassword = "four plain words here"
	peopleSeed     = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	codesEach      = 10
)

func nth(kind string, i int) string { return fmt.Sprintf("%s-%06d@harbour.example", kind, i) }

// recoveryCode is one of the codes that somebody was imported with.
func recoveryCode(person, i int) string {
	const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	sum := sha256.Sum256(fmt.Appendf(nil, "code %d of %d", i, person))
	b := []byte{letters[i]}
	for _, c := range sum[:15] {
		b = append(b, letters[c%32])
	}
	return string(b)
}

// importPeople takes people in by the product's own command, counts of each
// kind: "app" have an authenticator app, "paper" recovery codes as well, any
// other kind a password alone. It returns how long the command took.
func (f *fleet) importPeople(counts map[string]int) time.Duration {
	f.t.Helper()
	hash, err := passwords.New(passwords.Options{}).Hash(f.t.Context(), peoplePassword)
	if err != nil {
		f.t.Fatal(err)
	}
	path := filepath.Join(f.t.TempDir(), "people.jsonl")
	file, err := os.Create(path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<20)
	to := json.NewEncoder(out)
	for kind, n := range counts {
		for i := range n {
			if err := to.Encode(imported(kind, i, hash)); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		f.t.Fatal(err)
	}
	began := time.Now()
	f.command("", "user", "import", path)
	return time.Since(began)
}

func imported(kind string, i int, hash string) moving.User {
	u := moving.User{Email: nth(kind, i), EmailVerified: true, Roles: []string{"user"}, PasswordHash: hash}
	switch kind {
	case "app":
		u.TOTPSeed = peopleSeed
	case "paper":
		u.TOTPSeed = peopleSeed
		for c := range codesEach {
			sum := sha256.Sum256([]byte(recoveryCode(i, c)))
			u.RecoveryCodes = append(u.RecoveryCodes, "sha256:"+hex.EncodeToString(sum[:]))
		}
	}
	return u
}
