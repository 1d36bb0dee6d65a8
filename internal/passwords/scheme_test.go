package passwords

import (
	"strings"
	"testing"
)

const goodArgon = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

func TestForeignHashesWithinTheCapsAreTakenOver(t *testing.T) {
	bcryptOf := func(cost string) string { return "$2b$" + cost + "$" + strings.Repeat("a", 53) }
	for _, encoded := range []string{
		goodArgon,
		strings.Replace(goodArgon, "m=19456,t=2,p=1", "m=65536,t=4,p=1", 1),  // PHP
		strings.Replace(goodArgon, "m=19456,t=2,p=1", "m=102400,t=2,p=8", 1), // Django
		strings.Replace(goodArgon, "m=19456,t=2,p=1", "m=262144,t=3,p=1", 1), // libsodium
		strings.Replace(goodArgon, "argon2id", "argon2i", 1),
		bcryptOf("04"), bcryptOf("10"), bcryptOf("14"),
	} {
		if err := CheckEncoded(encoded); err != nil {
			t.Errorf("%s: %v", encoded, err)
		}
	}
}

func TestHashesThatCannotBeReadOrCostTooMuchAreRefused(t *testing.T) {
	cost := func(s string) string { return strings.Replace(goodArgon, "m=19456,t=2,p=1", s, 1) }
	for _, encoded := range []string{
		"", "$", "$$$$$", "$argon2id", "argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHQ",
		strings.Replace(goodArgon, "argon2id", "argon2d", 1),
		strings.Replace(goodArgon, "v=19", "v=16", 1),
		strings.Replace(goodArgon, "v=19$", "", 1),
		goodArgon + "$", goodArgon + "=", goodArgon + "\n", " " + goodArgon,
		strings.Replace(goodArgon, "c29t", "c2\n9t", 1),
		strings.Replace(goodArgon, "c29tZXNhbHRzb21lc2FsdA", "c29tZQ", 1),
		strings.Replace(goodArgon, "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "nf65", 1),
		strings.Replace(goodArgon, "Gi/4", "Gi/5", 1), // unused bits set: a second spelling
		cost("m=262145,t=1,p=1"), cost("m=4294967296,t=1,p=1"), cost("m=262144,t=5,p=1"),
		cost("m=19456,t=33,p=1"), cost("m=19456,t=2,p=17"), cost("m=19456,t=0,p=1"), cost("m=19456,t=2,p=0"),
		cost("m=8,t=1,p=2"), cost("m=019456,t=2,p=1"), cost("m=+19456,t=2,p=1"), cost("t=2,m=19456,p=1"),
		cost("m=19456,t=2"), cost("m=19456,t=2,p=1,keyid=x"), cost("m=,t=2,p=1"), cost("m=-1,t=2,p=1"),
		"$2b$03$" + strings.Repeat("a", 53), "$2b$15$" + strings.Repeat("a", 53), "$2b$31$" + strings.Repeat("a", 53),
		"$2x$10$" + strings.Repeat("a", 53), "$2$10$" + strings.Repeat("a", 53), "$2b$10$" + strings.Repeat("a", 52),
		"$2b$10$" + strings.Repeat("a", 53) + "\n", "$2b$10$" + strings.Repeat("!", 53),
		strings.Repeat("a", 1000),
	} {
		if err := CheckEncoded(encoded); err == nil {
			t.Errorf("%q was taken over", encoded)
		}
	}
}

func FuzzParsedHashesAreBoundedAndHaveOneSpelling(f *testing.F) {
	f.Add(goodArgon)
	f.Add("$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg")
	f.Add("$2b$10$" + strings.Repeat("a", 53))
	f.Add("$argon2id$v=19$m=99999999999999999999,t=2,p=1$$")
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := parse(encoded)
		if err != nil {
			return
		}
		if s.memoryKiB() > maxMemoryKiB {
			t.Errorf("%q takes %d KiB", encoded, s.memoryKiB())
		}
		if a, ok := s.(argonHash); ok && a.String() != encoded {
			t.Errorf("%q is also spelled %q", encoded, a.String())
		}
	})
}
