package accounts

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"gatehouse/internal/apperr"
)

func TestLookAlikeUsernamesAreDecidedInOnePlace(t *testing.T) {
	long := strings.Repeat("a", maxUsernameRunes)
	for _, c := range []struct{ in, key, wrong string }{
		{in: "admin", key: "admin"},
		{in: "Admin", key: "admin"},
		{in: "ＡＤＭＩＮ", key: "admin"},        // full-width forms are the usual letters
		{in: "ａdmin", key: "admin"},        // one of them as well
		{in: "admin ", key: "admin"},       // ASCII spaces around it are nobody's intention
		{in: "  admin", key: "admin"},      //
		{in: "\u212Aelvin", key: "kelvin"}, // the Kelvin sign is a capital K
		{in: "ádmin", key: "ádmin"},        // an accent makes another name
		{in: "a\u0301dmin", key: "ádmin"},  // composed or not is the same name
		{in: "ÁDMIN", key: "ádmin"},        //
		{in: "adm\u0131n", key: "adm\u0131n"},
		{in: "adm\u0130n", key: "admi\u0307n"}, // a capital dotted I keeps its dot
		{in: "straße", key: "straße"},          // ß is not ss
		{in: "STRASSE", key: "strasse"},
		{in: "stra\u1E9Ee", key: "straße"},                                            // the capital ß is a ß
		{in: "\u0430dmin", wrong: "mixed_scripts"},                                    // a Cyrillic а among Latin letters
		{in: "\u0430\u0434\u043C\u0438\u043D", key: "\u0430\u0434\u043C\u0438\u043D"}, // a Russian word is one script
		{in: "\u0430\u0434\u043C\u0438\u043D-7", key: "\u0430\u0434\u043C\u0438\u043D-7"},
		{in: "a\u03BFb", wrong: "mixed_scripts"},                                            // a Greek omicron
		{in: "\u0561\u0064min", wrong: "mixed_scripts"},                                     // an Armenian letter
		{in: "\u13AAdmin", wrong: "mixed_scripts"},                                          // a Cherokee one
		{in: "\u6771\u4EAC\u305F\u308D\u3046kun", key: "\u6771\u4EAC\u305F\u308D\u3046kun"}, // Japanese writes three, and Latin
		{in: "\uD55C\uAE00kim", key: "\uD55C\uAE00kim"},
		{in: "\uD55C\u305F", wrong: "mixed_scripts"}, // no language writes both
		{in: "ΟΔΟΣ", key: "οδοσ"},                    //
		{in: "οδος", key: "οδος"},                    // the final sigma is a letter of its own
		{in: "o'neil-smith_x.y+z", key: "o'neil-smith_x.y+z"},
		{in: "42", key: "42"},
		{in: "admin\u00A0", wrong: "unusable"},
		{in: "admin\t", wrong: "unusable"},
		{in: "ad min", wrong: "unusable"},
		{in: "ad\u200Bmin", wrong: "unusable"},
		{in: "ad\u200Dmin", wrong: "unusable"},
		{in: "\u0915\u094D\u200D\u0937", wrong: "unusable"}, // a joiner where the profile would allow it
		{in: "\uFEFFadmin", wrong: "unusable"},
		{in: "ad\u00ADmin", wrong: "unusable"},
		{in: "\u202Enimda", wrong: "unusable"},
		{in: "ad\u2066min", wrong: "unusable"},
		{in: "admin\x00", wrong: "unusable"},
		{in: "admin\x7F", wrong: "unusable"},
		{in: "adm\xffin", wrong: "unusable"},
		{in: "admin\uFE0F", wrong: "unusable"},
		{in: "\u3164", wrong: "unusable"},
		{in: "😀", wrong: "unusable"},
		{in: "😁", wrong: "unusable"},
		{in: "ﬁsh", wrong: "unusable"},
		{in: "x²", wrong: "unusable"},
		{in: "①", wrong: "unusable"},
		{in: "a@b", wrong: "at_sign"},
		{in: "a＠b", wrong: "at_sign"},
		{in: "", wrong: "required"},
		{in: "   ", wrong: "required"},
		{in: long, key: long},
		{in: long + "a", wrong: "too_long"},
	} {
		_, key, wrong := CanonicalUsername(c.in)
		if got := reasonOf(wrong); got != c.wrong || string(key) != c.key {
			t.Errorf("%+q: key %+q, wrong %q; want key %+q, wrong %q", c.in, key, got, c.key, c.wrong)
		}
	}
}

func TestOnlyPlainAddressesAreTaken(t *testing.T) {
	for _, c := range []struct{ in, key, wrong string }{
		{in: "ada@example.com", key: "ada@example.com"},
		{in: "Ada@Example.COM", key: "ada@example.com"},
		{in: " ada@example.com ", key: "ada@example.com"},
		{in: "ada+tag@example.com", key: "ada+tag@example.com"},
		{in: "a.d.a@sub.example.com", key: "a.d.a@sub.example.com"},
		{in: "ada@bücher.example", key: "ada@xn--bcher-kva.example"},
		{in: "ada@BÜCHER.example", key: "ada@xn--bcher-kva.example"},
		{in: "ada@xn--bcher-kva.example", key: "ada@xn--bcher-kva.example"},
		{in: "ada@ｅｘａｍｐｌｅ.com", key: "ada@example.com"},
		{in: "ada@faß.example", key: "ada@xn--fa-hia.example"},
		{in: "ada@fass.example", key: "ada@fass.example"},
		{in: "ádá@example.com", wrong: "not_an_address"},
		{in: "ada", wrong: "not_an_address"},
		{in: "ada@localhost", wrong: "not_an_address"},
		{in: "ada@b", wrong: "not_an_address"},
		{in: "ada@", wrong: "not_an_address"},
		{in: "@example.com", wrong: "not_an_address"},
		{in: "ada@example.com.", wrong: "not_an_address"},
		{in: "ada@.example.com", wrong: "not_an_address"},
		{in: "ada@exa..mple.com", wrong: "not_an_address"},
		{in: "ada@-example.com", wrong: "not_an_address"},
		{in: "ada@exa_mple.com", wrong: "not_an_address"},
		{in: "ada@127.0.0.1", wrong: "not_an_address"},
		{in: "ada@[127.0.0.1]", wrong: "not_an_address"},
		{in: "ada@bob@example.com", wrong: "not_an_address"},
		{in: "ada＠example.com", wrong: "not_an_address"},
		{in: ".ada@example.com", wrong: "not_an_address"},
		{in: "ada.@example.com", wrong: "not_an_address"},
		{in: "a..da@example.com", wrong: "not_an_address"},
		{in: `"a da"@example.com`, wrong: "not_an_address"},
		{in: "a da@example.com", wrong: "not_an_address"},
		{in: "Ada <ada@example.com>", wrong: "not_an_address"},
		{in: "ada@example.com,bob@example.com", wrong: "not_an_address"},
		{in: "ada(x)@example.com", wrong: "not_an_address"},
		{in: "ada@example.com\r\nBcc: x@example.com", wrong: "unusable"},
		{in: "ada@exam\u200Bple.com", wrong: "unusable"},
		{in: "ada@exam\u00ADple.com", wrong: "unusable"},
		{in: "ada\x00@example.com", wrong: "unusable"},
		{in: "ad\xffa@example.com", wrong: "unusable"},
		{in: strings.Repeat("a", 65) + "@example.com", wrong: "not_an_address"},
		{in: "a@" + strings.Repeat("a", 64) + ".com", wrong: "not_an_address"},
		{in: "a@" + strings.Repeat("a.", 130) + "com", wrong: "too_long"},
		{in: "", wrong: "required"},
	} {
		_, key, wrong := CanonicalEmail(c.in)
		if got := reasonOf(wrong); got != c.wrong || string(key) != c.key {
			t.Errorf("%+q: key %+q, wrong %q; want key %+q, wrong %q", c.in, key, got, c.key, c.wrong)
		}
	}
}

func TestALoginIsAnAddressOrAUsernameNeverBoth(t *testing.T) {
	for in, want := range map[string]struct {
		key         string
		isEmail, ok bool
	}{
		"Ada":               {"ada", false, true},
		" Ada@Example.com ": {"ada@example.com", true, true},
		"a\u200Bda":         {"", false, false},
		"ada@":              {"", true, false},
		"":                  {"", false, false},
	} {
		key, isEmail, ok := CanonicalLogin(in)
		if string(key) != want.key || isEmail != want.isEmail || ok != want.ok {
			t.Errorf("%q: %q %v %v, want %+v", in, key, isEmail, ok, want)
		}
	}
}

func TestANameIsWhatPeopleCanSee(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		"  Ada  Lovelace ":                  "Ada  Lovelace",
		"José 🎉":                            "José 🎉",
		"Jose\u0301":                        "José",
		"a\u200Bb":                          "!unusable",
		"a\nb":                              "!unusable",
		"\u202Eevil":                        "!unusable",
		"\u2800":                            "!unusable",
		"a\x00b":                            "!unusable",
		"\xff":                              "!unusable",
		strings.Repeat("x", maxNameRunes+1): "!too_long",
	} {
		got, wrong := canonicalName(in)
		if wrong != nil {
			got = "!" + wrong.Reason
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTheMailboxHasAnASCIIDomain(t *testing.T) {
	typed, key, _ := CanonicalEmail("Ada.L@Bücher.example")
	if got := Mailbox(typed, key); got != "Ada.L@xn--bcher-kva.example" {
		t.Error(got)
	}
}

func FuzzCanonicalUsername(f *testing.F) {
	for _, s := range []string{"admin", "ＡＤＭＩＮ", "ß", "ẞ", "\u0130", "a\u0301", "\u200D", "ΟΔΟΣ", "אבג", "\u1E9E\u0345"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		typed, key, wrong := CanonicalUsername(s)
		if wrong != nil {
			return
		}
		if utf8.RuneCount(key) > maxUsernameRunes || len(key) > 512 || len(key) == 0 || bytes.ContainsAny(key, "@ \x00") {
			t.Fatalf("%q made the key %q", s, key)
		}
		_, again, wrong := CanonicalUsername(string(key))
		if wrong != nil || !bytes.Equal(again, key) {
			t.Fatalf("%q: key %q is not stable: %q %v", s, key, again, wrong)
		}
		_, ofTyped, wrong := CanonicalUsername(typed)
		if wrong != nil || !bytes.Equal(ofTyped, key) {
			t.Fatalf("%q: what is kept as typed, %q, has the key %q %v, not %q", s, typed, ofTyped, wrong, key)
		}
	})
}

func FuzzCanonicalEmail(f *testing.F) {
	for _, s := range []string{"ada@example.com", "a@bücher.example", "a@ｅx.com", "a@xn--a.b", "\"a\"@b.c", "a@b.c\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		typed, key, wrong := CanonicalEmail(s)
		if wrong != nil {
			return
		}
		for _, c := range key {
			if c <= ' ' || c >= 0x7F || c >= 'A' && c <= 'Z' || strings.IndexByte(`<>()[],;:"\`, c) >= 0 {
				t.Fatalf("%q made the key %q", s, key)
			}
		}
		if bytes.Count(key, []byte("@")) != 1 || len(key) > maxEmailBytes {
			t.Fatalf("%q made the key %q", s, key)
		}
		_, domain, _ := strings.Cut(string(key), "@")
		if _, err := idna.Lookup.ToASCII(domain); err != nil {
			t.Fatalf("%q: no mail can go to %q: %v", s, domain, err)
		}
		for _, form := range []string{string(key), typed, Mailbox(typed, key)} {
			_, again, wrong := CanonicalEmail(form)
			if wrong != nil || !bytes.Equal(again, key) {
				t.Fatalf("%q: %q has the key %q %v, not %q", s, form, again, wrong, key)
			}
		}
	})
}

func reasonOf(f *apperr.Field) string {
	if f == nil {
		return ""
	}
	return f.Reason
}
