package passwords

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func reasonOf(h *Hasher, password string, context ...string) string {
	if f := h.Check(password, context...); f != nil {
		return f.Reason
	}
	return ""
}

func TestPasswordsAreRefusedForTheRightReason(t *testing.T) {
	h := New(Options{})
	me := []string{"Mara Harbour", "mara.h", "Mara.Lindgren@harbour.example"}
	for password, want := range map[string]string{
		"":                                "too_short",
		"seven77":                         "too_short",
		"éééé":                            "too_short", // 8 bytes, 4 characters
		"e\u0301e\u0301e\u0301e\u0301":    "too_short", // 8 runes, 4 characters once normalised
		"password":                        "common",
		"PassWord":                        "common",
		"Password1":                       "common",
		"qwertyuiop":                      "common",
		"iloveyou1":                       "common",
		"12345678":                        "common",
		"mara harbour":                    "same_as_name",
		"MaraHarbour":                     "same_as_name",
		"mara-harbour!":                   "same_as_name",
		"mara.lindgren":                   "same_as_name",
		"Mara.Lindgren@harbour.example":   "same_as_name",
		"with\x00nul and more":            "unusable",
		"line\nbreak and more":            "unusable",
		"broken\xc3 utf8":                 "unusable",
		strings.Repeat("x", 1025):         "too_long",
		"correct horse battery staple":    "",
		"       8":                        "", // spaces count; there is no rule about kinds
		"пароль-мой-длинный":              "",
		"mara harbour lighthouse":         "",
		strings.Repeat("🙂", 8):            "",
		"a password of quite some length": "",
	} {
		if got := reasonOf(h, password, me...); got != want {
			t.Errorf("%.30q: %q, want %q", password, got, want)
		}
	}
}

func TestTheRefusalOfAShortPasswordSaysHowMuchIsMissing(t *testing.T) {
	f := New(Options{MinLength: 15}).Check("nine char")
	if f.Params["Min"] != 15 || f.Params["Missing"] != 6 {
		t.Errorf("%+v", f.Params)
	}
}

func TestEmptyContextMatchesNothing(t *testing.T) {
	h := New(Options{})
	if got := reasonOf(h, "!!!!????....", "", "@", "..."); got != "" {
		t.Error(got)
	}
}

// commonSum is what common_generate.sh prints: whoever makes the list anew and
// gets other bytes changes it here, and says why.
const commonSum = "0e0b33223cfc9a6e8254823e115a5f0e5608696d932523676d8c95876f34d20d"

func TestTheListOfCommonPasswordsIsWhatItsGeneratorMakes(t *testing.T) {
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(commonHashes))); got != commonSum {
		t.Errorf("its SHA-256 is %s", got)
	}
	if CommonCount() != 120_000 || len(commonHashes) != CommonCount()*commonLen || len(commonHashes) > 1_000_000 {
		t.Fatalf("%d entries in %d bytes", CommonCount(), len(commonHashes))
	}
	for i := 1; i < CommonCount(); i++ {
		if commonAt(i-1) >= commonAt(i) {
			t.Fatalf("entry %d is out of order", i)
		}
	}
}

func TestWhatThievesTryFirstIsRefused(t *testing.T) {
	h := New(Options{})
	for word := range strings.FieldsSeq(`password 12345678 123456789 1234567890 qwertyuiop iloveyou sunshine princess football
baseball superman starwars trustno1 passw0rd 1q2w3e4r 1qaz2wsx password1 password123 qwerty123 abcd1234 11111111
88888888 00000000 computer whatever internet jennifer michelle corvette mercedes asdfghjkl zxcvbnm1 1q2w3e4r5t
q1w2e3r4 liverpool metallica slipknot midnight midnight1 dolphins champion cocacola godzilla spiderman butterfly
elizabeth alexander christian Victoria CHARLOTTE welcome1 letmein1 changeme iloveyou1 babygirl letmein123`) {
		if got := reasonOf(h, word); got != "common" {
			t.Errorf("%q: %q", word, got)
		}
	}
}

// One in nine million; a thousand times as many would be seen here.
func TestGoodPasswordsAreNotTakenForCommonOnes(t *testing.T) {
	for i := range 20_000 {
		if word := fmt.Sprintf("a long enough phrase of %d words", i); isCommon(word) {
			t.Errorf("%q is refused", word)
		}
	}
}

func TestWordsOfThePersonAndTheSiteAreRefusedWithATrifleAround(t *testing.T) {
	h := New(Options{Words: append(HostWords("id.harbour-club.example"), "Gatehouse", "North Sea Sailors")})
	me := []string{"Maria Lindgren", "maria.l", "Maria.Lindgren@harbour.example"}
	for _, password := range []string{
		"gatehouse", "Gatehouse2026!", "2026gatehouse", "g4teh0use!!", "gatehouse1234567", "gatehouse-abc",
		"maria1234", "Maria2026!!", "M4ria.1234", "lindgren1985", "1985lindgren!", "MariaLindgren1", "lindgrenmaria",
		"maria.l.1234", "harbour2026", "Harbour!!!!!", "northsea99", "sailors2026", "maria@gatehouse", "harbour-club1",
		"mariamaria", "Lindgren-Lindgren", "maria gatehouse 99",
	} {
		if got := reasonOf(h, password, me...); got != "same_as_name" && got != "common" {
			t.Errorf("%q: %q", password, got)
		}
	}
	if got := reasonOf(h, "maria1234", me...); got != "same_as_name" && got != "common" {
		t.Errorf("%q", got)
	}
}

func TestWordsOfThePersonInALongerPasswordAreNoFault(t *testing.T) {
	h := New(Options{Words: append(HostWords("id.harbour-club.example"), "Gatehouse", "North Sea Sailors")})
	me := []string{"Ana Rose Maria An", "ana", "ana.rose@harbour.example"}
	for _, password := range []string{
		"maria likes cheese", "primroses and tulips", "banana-split-99", "the gatehouse burned down", "rosemary-thyme",
		"harbour lights at dawn", "clubs trump hearts", "north wind and sun", "maria8391047265", "santa-ana-winds-blow",
		"seaside promenade", "correct horse battery staple", "маria-und-die-wolken", "hannah montana forever",
	} {
		if got := reasonOf(h, password, me...); got != "" {
			t.Errorf("%q: %q", password, got)
		}
	}
}

func TestTheWordsOfAHost(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "localhost", "127.0.0.1": "", "::1": "", "id.example.com": "id example",
		"sign-in.example.co.uk": "sign in example co", "münchen.example": "münchen",
	} {
		if got := strings.Join(HostWords(host), " "); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

// Whatever is asked, looking for words ends and never panics, and a password
// without any of the words in it is never refused for them.
func FuzzContextWords(f *testing.F) {
	f.Add("Gatehouse2026!", "Maria Lindgren", "maria@harbour.example")
	f.Add("İstanbul\u0301", "i\u0307", "@@..")
	f.Fuzz(func(t *testing.T, password, name, address string) {
		if !isContext(password, []string{name, address}) {
			return
		}
		for _, word := range wordsOf([]string{name, address}) {
			if strings.Contains(letters(password), word) || strings.Contains(unleet(password), word) {
				return
			}
		}
		t.Errorf("%q has no word of %q and %q", password, name, address)
	})
}

func FuzzWhatCheckAcceptsCanBeHashedAndIsNotCut(f *testing.F) {
	f.Add("correct horse battery staple")
	f.Add("e\u0301\x00")
	h := cheapHasher()
	f.Fuzz(func(t *testing.T, password string) {
		prepared, reason := prepare(password)
		if (reason == "") != (prepared != nil) && password != "" {
			t.Errorf("%q: prepared %q, reason %q", password, prepared, reason)
		}
		if !utf8.Valid(prepared) || strings.ContainsRune(string(prepared), 0) {
			t.Errorf("%q: prepared %q", password, prepared)
		}
		if h.Check(password) == nil {
			if _, err := h.Hash(t.Context(), password); err != nil {
				t.Errorf("%q was accepted, but: %v", password, err)
			}
		}
	})
}
