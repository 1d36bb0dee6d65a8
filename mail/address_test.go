package mail

import (
	netmail "net/mail"
	"strings"
	"testing"
)

func TestPlainAddressesAreAccepted(t *testing.T) {
	for in, want := range map[string]string{
		"mara@harbour.example":         "mara@harbour.example",
		"Mara.L+tag@Harbour.Example":   "Mara.L+tag@harbour.example",
		"o'neill/x=y@harbour.example":  "o'neill/x=y@harbour.example",
		"jörg@harbour.example":         "jörg@harbour.example",
		"mara@münchen.example":         "mara@xn--mnchen-3ya.example",
		"root@localhost":               "root@localhost",
		strings.Repeat("a", 64) + "@b": strings.Repeat("a", 64) + "@b",
	} {
		if got, err := envelope(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestWhateverIsNotOnePlainAddressIsRefused(t *testing.T) {
	for _, in := range []string{
		"", "@", "mara", "@harbour.example", "mara@", "mara@harbour@example", " mara@harbour.example", "mara@harbour.example ",
		"Mara <mara@harbour.example>", "<mara@harbour.example>", "a@x.example,b@x.example", "a@x.example;b@x.example",
		"mara@[127.0.0.1]", "mara@harbour.example.", ".mara@harbour.example", "mara.@harbour.example", "ma..ra@harbour.example",
		`"mara x"@harbour.example`, "mara(x)@harbour.example", "ma ra@harbour.example", "mara@har bour.example",
		"mara@harbour.example\r\nBcc: x@y.example", "mara\r\n@harbour.example", "mara\x00@harbour.example", "mara@harbour\x00.example",
		"ma\u200bra@harbour.example", "mara@-x.example", "mara@x..example", "mara@harbour_x.example/", "\xff@harbour.example",
		strings.Repeat("a", 65) + "@harbour.example", "a@" + strings.Repeat("b.", 130) + "example",
	} {
		if got, err := envelope(in); err == nil {
			t.Errorf("%q was accepted as %q", in, got)
		}
	}
}

func FuzzAnAcceptedAddressIsOneRecipientForEveryParser(f *testing.F) {
	for _, s := range []string{"mara@harbour.example", "jörg@münchen.example", "a@[::1]", "a,b@c", "\"x\"@y", "a@b\r\nc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := envelope(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(out, "\r\n\x00<>,;: ") || strings.Count(out, "@") != 1 || len(out) > maxAddress {
			t.Errorf("%q became %q", s, out)
		}
		parsed, err := netmail.ParseAddress(out)
		if err != nil || parsed.Name != "" || parsed.Address != out {
			t.Errorf("%q became %q, which is read as %v, %v", s, out, parsed, err)
		}
	})
}
