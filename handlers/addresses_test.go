package handlers_test

import (
	"strings"
	"testing"

	"gatehouse/accounts"
	"gatehouse/internal/testserver"
)

// badAddresses are refused wherever an address is typed.
var badAddresses = map[string]string{
	"a display name":             "Mara <mara@quay.example>",
	"angle brackets":             "<mara@quay.example>",
	"two @":                      "mara@quay@quay.example",
	"a quoted local part":        `"mara lind"@quay.example`,
	"a quoted @":                 `"mara@home"@quay.example`,
	"a comment":                  "mara(home)@quay.example",
	"a comment in the domain":    "mara@quay.example(home)",
	"an IPv4 literal":            "mara@[127.0.0.1]",
	"an IPv6 literal":            "mara@[IPv6:::1]",
	"a bare IPv4 address":        "mara@127.0.0.1",
	"255 characters":             strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 3) + "example",
	"65 characters before the @": strings.Repeat("a", 65) + "@quay.example",
	"a local part not in ASCII":  "mära@quay.example",
	"a letter of another script": "mаra@quay.example", // the second letter is Cyrillic
	"a trailing dot":             "mara@quay.example.",
	"a dot before the @":         "mara.@quay.example",
	"two dots":                   "ma..ra@quay.example",
	"an empty label":             "mara@quay..example",
	"one label":                  "mara@localhost",
	"CR LF":                      "mara@quay.example\r\nBcc: thief@harbour.example",
	"a line feed":                "mara@quay.example\n",
	"two recipients":             "mara@quay.example,thief@harbour.example",
	"two with a semicolon":       "mara@quay.example;thief@harbour.example",
	"two with a space":           "mara@quay.example thief@harbour.example",
	"a zero-width space":         "ma\u200bra@quay.example",
	"a false punycode label":     "mara@xn--a.example",
	"a route":                    "@harbour.example:mara@quay.example",
	"a percent hack":             "mara%quay.example@[127.0.0.1]",
	"nothing before the @":       "@quay.example",
	"nothing after it":           "mara@",
}

func TestABadAddressIsRefusedAtEveryEntrance(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	in, p := s.Browser().Login("mara", password), s.Program().Login("mara", password)
	out := s.Browser()
	link, err := s.Accounts.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, address := range badAddresses {
		for path, post := range map[string]func() *testserver.Answer{
			"/register": func() *testserver.Answer { return out.Post("/register", "email", address, "password", password) },
			"/forgot":   func() *testserver.Answer { return out.Post("/forgot", "username", address) },
			"/setup": func() *testserver.Answer {
				return out.Post("/setup", "token", link.Reveal(), "email", address, "password", password)
			},
			"/account/email":          func() *testserver.Answer { return in.Post("/account/email", "email", address) },
			"/api/v1/register":        func() *testserver.Answer { return p.Post("/api/v1/register", "email", address, "password", password) },
			"/api/v1/password/forgot": func() *testserver.Answer { return p.Post("/api/v1/password/forgot", "email", address) },
			"/api/v1/me/email":        func() *testserver.Answer { return p.Post("/api/v1/me/email", "email", address) },
		} {
			if a := post(); a.Status != 422 {
				t.Errorf("%s with %s: got %d", path, what, a.Status)
			}
		}
		_, err := s.Accounts.CreateUser(t.Context(), accounts.NewUser{Email: address}, noClient)
		if err == nil {
			t.Errorf("an operator may make an account with %s", what)
		}
		if a := out.Post("/login", "username", address, "password", password); a.Status != 401 {
			t.Errorf("/login with %s: got %d", what, a.Status)
		}
	}
}

// A look-alike domain and its written form are one address, and another one
// than the address that they look like.
func TestALookAlikeDomainIsAnAddressOfItsOwnHoweverItIsWritten(t *testing.T) {
	s := testserver.New(t)
	s.User("mara@example.com", "mara", password)
	s.User("mara@exаmple.com", "cyrillic", password) // with a Cyrillic letter
	_, err := s.Accounts.CreateUser(t.Context(), accounts.NewUser{Email: "mara@xn--exmple-4nf.com"}, noClient)
	if err == nil {
		t.Error("the punycode of an address is another account")
	}
	before := len(s.Inbox())
	s.Program().Post("/api/v1/password/forgot", "email", "mara@XN--exmple-4nf.com").Is(202)
	if list := s.Inbox(); len(list) != before+1 || list[0].To != "mara@xn--exmple-4nf.com" {
		t.Errorf("the mail went to %s", list[0].To)
	}
}
