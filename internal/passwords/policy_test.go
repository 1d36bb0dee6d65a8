package passwords

import (
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

func TestTheListOfCommonPasswordsIsLongEnoughAndSorted(t *testing.T) {
	if CommonCount() < 10_000 || len(commonHashes)%commonLen != 0 {
		t.Fatalf("%d entries", CommonCount())
	}
	for i := 1; i < CommonCount(); i++ {
		if commonAt(i-1) >= commonAt(i) {
			t.Fatalf("entry %d is out of order", i)
		}
	}
	for _, first := range []string{"123456", "password", "dragon"} {
		if !isCommon(first) {
			t.Errorf("%q is not on the list", first)
		}
	}
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
