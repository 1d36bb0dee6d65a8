package mail

import (
	"strings"
	"testing"
)

func TestServerAddressesAreRead(t *testing.T) {
	for in, want := range map[string]server{
		"smtp://mail.example":                      {host: "mail.example", port: 587},
		"smtp://mail.example:2525/":                {host: "mail.example", port: 2525},
		"smtps://mail.example":                     {host: "mail.example", port: 465, implicit: true},
		"smtp://me:p%40ss%3Aword@mail.example:587": {host: "mail.example", port: 587, user: "me", password: "p@ss:word"},
		"smtp://me%40mail.example:x@mail.example":  {host: "mail.example", port: 587, user: "me@mail.example", password: "x"},
		"smtp://localhost:1025":                    {host: "localhost", port: 1025, plain: true},
		"smtp://me:x@[::1]:1025":                   {host: "::1", port: 1025, user: "me", password: "x", plain: true},
		"smtps://127.0.0.1":                        {host: "127.0.0.1", port: 465, implicit: true},
		"smtp://relay:1025?tls=off":                {host: "relay", port: 1025, plain: true},
	} {
		if got, err := parseURL(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
}

func TestBadServerAddressesAreRefusedWithoutTellingThePassword(t *testing.T) {
	for _, in := range []string{
		"", "mail.example:587", "http://me:hunter2@mail.example", "smtp://", "smtp://me:hunter2@", "smtp://:hunter2@mail.example",
		"smtp://me:hunter2@mail.example:0", "smtp://me:hunter2@mail.example:99999", "smtp://me:hunter2@mail.example:x",
		"smtp://me:hunter2@mail.example/inbox", "smtp://me:hunter2@mail.example#x", "smtp://me:hunter2@mail.example?x=1",
		"smtp://me:hunter2@relay?tls=off", "smtps://me:hunter2@mail.example?tls=off", "smtp:me:hunter2@mail.example",
		"smtp://me:hunter2%0d%0a@mail.example", "smtp://me:hunter2@mail.example:", "smtp://me:hunter2%zz@mail.example", "smtp://\x00hunter2@x",
	} {
		got, err := parseURL(in)
		if err == nil {
			t.Errorf("%s was read as %+v", in, got)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestTheSenderMustBeAnAddress(t *testing.T) {
	for _, from := range []string{"", "Gatehouse", "a@x.example, b@x.example", "Gatehouse <a@[127.0.0.1]>"} {
		if _, err := newTransport("smtp://mail.example", from); err != errFrom {
			t.Errorf("%q: %v", from, err)
		}
	}
	for _, from := range []string{"login@harbour.example", "Gatehouse <login@harbour.example>", `"Harbour, Ltd." <login@harbour.example>`} {
		if tr, err := newTransport("smtp://mail.example", from); err != nil || tr.from.Address != "login@harbour.example" {
			t.Errorf("%q: %v", from, err)
		}
	}
}

func FuzzServerAddress(f *testing.F) {
	f.Add("smtp://me:pw@mail.example:587")
	f.Add("smtps://[::1]:465?tls=off")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := parseURL(in)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("%q: %v", in, err)
			}
			return
		}
		if s.host == "" || s.port < 1 || s.port > 65535 || s.implicit && s.plain {
			t.Errorf("%q: %+v", in, s)
		}
		if s.plain && s.user != "" && !isLoopback(s.host) {
			t.Errorf("%q sends its password in the clear", in)
		}
	})
}
