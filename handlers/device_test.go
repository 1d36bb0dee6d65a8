package handlers_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testserver"
)

// notices is how many mails told of a new device.
func notices(s *testserver.Server) (k int) {
	for _, m := range s.Inbox() {
		if m.Purpose == "new_device" {
			k++
		}
	}
	return k
}

func TestABrowserIsKnownAgainByItsCookieAndAProgramByItsNetwork(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	known := b.Cookie("gatehouse_device")
	if known == "" || notices(s) != 0 {
		t.Fatal("no cookie, or a notice of the very first sign-in")
	}
	b.Post("/logout")
	b.Login("mara", password)
	if notices(s) != 0 || b.Cookie("gatehouse_device") != known {
		t.Error("the browser was not known again")
	}
	s.Browser().Login("mara", password)
	if notices(s) != 1 {
		t.Error("another browser is no news")
	}
	if m := s.LastMail(); m.To != mara || !strings.Contains(m.Text, "Firefox on Linux") || !strings.Contains(m.Text, "127.0.0.1") {
		t.Error(m.Text)
	}
	other := s.Browser()
	other.SetCookie("gatehouse_device", "nonsense")
	other.Login("mara", password)
	if notices(s) != 2 || other.Cookie("gatehouse_device") == "nonsense" {
		t.Error("a made-up cookie was believed")
	}
	s.Program().Login("mara", password)
	s.Program().Login("mara", password)
	if notices(s) != 3 {
		t.Errorf("%d notices after two sign-ins of one program", notices(s))
	}
}

func TestSigningOutEverywhereIncludesHere(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b, other, p := s.Browser().Login("mara", password), s.Browser().Login("mara", password), s.Program().Login("mara", password)
	b.Get("/account/sessions").Is(200).Has(`name="all"`)
	b.Post("/account/sessions", "all", "1").Leads("/login")
	b.Get("/login").Is(200).Has("signed out everywhere")
	b.Get("/account").Leads("/login?return_to=%2Faccount")
	other.Get("/account").Leads("/login?return_to=%2Faccount")
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")

	p.Login("mara", password)
	second := s.Program().Login("mara", password)
	c := newChecker(t)
	c.check(p.Call("DELETE", "/api/v1/me/sessions?all=maybe", nil).Is(400))
	s.Clock.Advance(6 * time.Minute)
	c.check(p.Call("DELETE", "/api/v1/me/sessions?all=true", nil).Is(403))
	p.Login("mara", password)
	c.check(p.Call("DELETE", "/api/v1/me/sessions?all=true", nil).Is(204))
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	second.Call("GET", "/auth", nil).Fails(401, "invalid_token")
}
