package passwords

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// vector is a hash that somebody else's code made; see README.md.
type vector struct{ Source, Password, Hash string }

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// notTaken are the forms of the vectors that we refuse on purpose.
func notTaken(v vector) bool {
	return strings.HasPrefix(v.Hash, "$argon2d$") || // never meant for passwords
		strings.HasPrefix(v.Hash, "$argon2") && !strings.Contains(v.Hash, "v=19") ||
		strings.HasPrefix(v.Hash, "$bcrypt-sha256$2") || // version 1
		strings.HasPrefix(v.Hash, "$2$") || strings.HasPrefix(v.Hash, "$2x$") || // broken
		strings.HasPrefix(v.Hash, "$7$") ||
		strings.Contains(v.Password, "\x00")
}

func TestHashesThatOthersMadeOpenWithTheirPasswordAndWithNoOther(t *testing.T) {
	h := New(Options{Params: Params{MemoryKiB: 64, Time: 1, Threads: 1}})
	taken := 0
	for _, v := range vectors(t) {
		if notTaken(v) {
			if r := verify(t, h, v.Password, v.Hash); r.OK {
				t.Errorf("%s: %s is taken and should not be", v.Source, v.Hash)
			}
			continue
		}
		if err := CheckEncoded(v.Hash); err != nil {
			t.Errorf("%s: %s: %v", v.Source, v.Hash, err)
			continue
		}
		taken++
		r := verify(t, h, v.Password, v.Hash)
		if len(v.Password) > bcryptMax && strings.HasPrefix(v.Hash, "$2") {
			if r.OK {
				t.Errorf("%s: %s compares only the beginning of the password", v.Source, v.Hash)
			}
			continue
		}
		if !r.OK || r.Rehash == r.MustChange {
			t.Errorf("%s: %q does not open %s: %+v", v.Source, v.Password, v.Hash, r)
		}
		for _, wrong := range []string{v.Password + "x", "x" + v.Password, strings.ToUpper(v.Password) + "'"} {
			if r := verify(t, h, wrong, v.Hash); r.OK || r.Rehash || r.MustChange {
				t.Errorf("%s: %q opens %s", v.Source, wrong, v.Hash)
			}
		}
	}
	if taken < 140 {
		t.Errorf("only %d vectors were taken", taken)
	}
}

// TestEveryFamilyHasAVectorThatOthersMade keeps a new scheme from resting on
// our own reading of its description alone.
func TestEveryFamilyHasAVectorThatOthersMade(t *testing.T) {
	for _, f := range families {
		for _, prefix := range f.prefixes {
			found := false
			for _, v := range vectors(t) {
				found = found || strings.HasPrefix(v.Hash, prefix) && CheckEncoded(v.Hash) == nil
			}
			if !found {
				t.Errorf("no vector begins with %s", prefix)
			}
		}
	}
}

func TestAHashWithOneChangedCharacterOpensNothing(t *testing.T) {
	h := New(Options{Params: Params{MemoryKiB: 64, Time: 1, Threads: 1}})
	for i, v := range vectors(t) {
		if notTaken(v) || strings.HasPrefix(v.Hash, "$2") && len(v.Password) > bcryptMax || i%3 != 0 {
			continue
		}
		// The middle of what stands after the last separator is never padding.
		at := (strings.LastIndexAny(v.Hash, "$}") + len(v.Hash)) / 2
		c := byte('a')
		if v.Hash[at] == c {
			c = 'b'
		}
		if r := verify(t, h, v.Password, v.Hash[:at]+string(c)+v.Hash[at+1:]); r.OK {
			t.Errorf("%s: a changed %s opens", v.Source, v.Hash)
		}
	}
}

func TestTheBoundsOfDearSchemesAreKept(t *testing.T) {
	salt, tag := "c2FsdHNhbHQ", strings.Repeat("A", 43)
	for _, encoded := range []string{
		"$scrypt$ln=22,r=8,p=1$" + salt + "$" + tag, "$scrypt$ln=19,r=8,p=1$" + salt + "$" + tag,
		"$scrypt$ln=17,r=32,p=1$" + salt + "$" + tag, "$scrypt$ln=10,r=8,p=17$" + salt + "$" + tag,
		"$scrypt$ln=16,r=16,p=16$" + salt + "$" + tag,
		"scrypt:32767:8:1$salt$" + strings.Repeat("00", 64), "scrypt:1048576:8:1$salt$" + strings.Repeat("00", 64),
		"scrypt$salt$2147483648$8$1$" + tag + "=", "scrypt$salt$0$8$1$" + tag + "=", "scrypt$salt$1$8$1$" + tag + "=",
		"$fbscrypt$v=1,n=30,r=8,p=1,ss=Bw==,sk=" + tag + "=$" + salt + "=$" + tag + "=",
		"$pbkdf2-sha256$2147483647$" + salt + "$" + tag, "$pbkdf2-sha256$2147483648$" + salt + "$" + tag,
		"$pbkdf2-sha256$4000001$" + salt + "$" + tag, "$pbkdf2$99999999999$" + salt + "$" + tag,
		"pbkdf2_sha256$4000001$salt$" + tag + "=", "pbkdf2:sha256:4000001$salt$" + strings.Repeat("00", 32),
		"$pbkdf2-sha256$0$" + salt + "$" + tag, "$pbkdf2-sha256$+100$" + salt + "$" + tag, "$pbkdf2-sha256$01000$" + salt + "$" + tag,
		"$pbkdf2-md5$1000$" + salt + "$" + tag, "pbkdf2_md5$1000$salt$" + tag + "=", "pbkdf2:md5:1000$salt$" + strings.Repeat("00", 32),
		"pbkdf2:sha256$salt$" + strings.Repeat("00", 32), "pbkdf2_sha256$1000$$" + tag + "=",
		"$6$rounds=1000001$salt$" + strings.Repeat("a", 86), "$6$rounds=999999999$salt$" + strings.Repeat("a", 86),
		"$6$rounds=999$salt$" + strings.Repeat("a", 86), "$6$salt$" + strings.Repeat("a", 85), "$5$salt$" + strings.Repeat("a", 86),
		"$6$seventeencharacter$" + strings.Repeat("a", 86), "$5$rounds=01000$salt$" + strings.Repeat("a", 43),
		"$P$H" + strings.Repeat("a", 30), "$P$/" + strings.Repeat("a", 30), "$P$z" + strings.Repeat("a", 30), "$P$B" + strings.Repeat("a", 29),
		"$1$$", "$1$ninechars$" + strings.Repeat("a", 22), "$1$salt$" + strings.Repeat("a", 23),
		"{SSHA}", "{SSHA", "{}", "{NONE}abc", "{CRYPT}", "{CRYPT}abJnggxhB/yWI", "{CLEARTEXT}secret", "secret",
		"{SSHA}" + strings.Repeat("A", 27) + "=", "{SHA}" + strings.Repeat("A", 28) + "AAAA", "{SSHA512}" + strings.Repeat("A", 86) + "==",
		"$wp$2y$31$" + strings.Repeat("a", 53), "bcrypt_sha256$$2b$31$" + strings.Repeat("a", 53), "bcrypt_sha256$", "bcrypt$$2b$10$",
		"$bcrypt-sha256$v=2,t=2b,r=31$" + strings.Repeat("a", 22) + "$" + strings.Repeat("a", 31),
		"argon2$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"5f4dcc3b5aa765d61d8327deb882cf99", "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
	} {
		if err := CheckEncoded(encoded); err == nil {
			t.Errorf("%q was taken over", encoded)
		}
	}
}

func TestMarksOfOtherSystemsAroundAHashAreRead(t *testing.T) {
	for _, encoded := range []string{
		"argon2" + goodArgon, "{ARGON2}" + goodArgon, "{argon2}" + goodArgon,
		"bcrypt$$2b$10$" + strings.Repeat("a", 53), "{BCRYPT}$2b$10$" + strings.Repeat("a", 53),
		"{CRYPT}$6$salt$" + strings.Repeat("a", 86), "{crypt}$1$salt$" + strings.Repeat("a", 22),
	} {
		if err := CheckEncoded(encoded); err != nil {
			t.Errorf("%s: %v", encoded, err)
		}
	}
}

func TestWeakHashesAskForAChangeAndAreNotRehashed(t *testing.T) {
	h := New(Options{Params: Params{MemoryKiB: 64, Time: 1, Threads: 1}})
	for _, v := range []vector{
		{Password: "hashcat", Hash: "$1$38652870$DUjsu4TTlTsOe/xxZ05uf/"},
		{Password: "hashcat", Hash: "{SHA}uJ6qx+YUFzQbcQtyd2gpTQ5qJ3s="},
	} {
		if r := verify(t, h, v.Password, v.Hash); !r.OK || r.Rehash || !r.MustChange || !Weak(v.Hash) {
			t.Errorf("%s: %+v", v.Hash, r)
		}
	}
	if Weak("") || Weak(goodArgon) || Weak("{SSHA}FLzWcQqyle6Mo7NvrwXCMAmRzXQxNjYxMTYzNw==") {
		t.Error("a sound hash is called weak")
	}
}

// TestACheapHashIsPaddedToOurs counts the work, because a clock would only
// tell how busy the machine is.
func TestACheapHashIsPaddedToOurs(t *testing.T) {
	h := New(Options{})
	for _, v := range vectors(t) {
		s, err := parse(v.Hash)
		if err != nil {
			continue
		}
		own := h.params.work()
		total := s.work() + h.padMemory(s)*int64(h.params.Time)
		if total < own*99/100 || s.work() <= own && total > own*101/100 {
			t.Errorf("%s: a comparison is %d units of work, ours %d", v.Hash, total, own)
		}
	}
}

func FuzzForeignHashesAreBounded(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Hash)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := parse(encoded)
		if err != nil {
			if s != nil {
				t.Errorf("%q gave an error and half a hash", encoded)
			}
			return
		}
		if s.memoryKiB() > maxMemoryKiB || s.work() < 0 || s.work() > 6_000_000 {
			t.Errorf("%q takes %d KiB and %d units of work", encoded, s.memoryKiB(), s.work())
		}
		if s.work() < 5000 && s.match([]byte("a guess\x01")) {
			t.Errorf("%q was guessed", encoded)
		}
	})
}

// BenchmarkWork is what the estimates of cost.go come from: nanoseconds a
// unit, which should be alike for all schemes.
func BenchmarkWork(b *testing.B) {
	seen := map[string]bool{}
	for _, v := range append(vectors(b), vector{Hash: goodArgon}) {
		s, err := parse(v.Hash)
		if err != nil || s.work() < 300 {
			continue
		}
		name := strings.Trim(strings.FieldsFunc(v.Hash, func(r rune) bool { return r == '$' || r == '}' })[0], "{")
		if seen[name] {
			continue
		}
		seen[name] = true
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s.match([]byte("password"))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.work()), "ns/unit")
		})
	}
}
