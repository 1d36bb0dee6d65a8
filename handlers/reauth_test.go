package handlers_test

import (
	"testing"

	"gatehouse/internal/testserver"
)

// A stolen cookie must not become a session with a fresh proof when its owner
// types the password (ASVS 5.0, 7.2.4).
func TestAFreshProofGivesTheBrowserANewCookie(t *testing.T) {
	for path, form := range map[string][]string{
		"/account/reauth":   {"password", password},
		"/account/security": {"current_password", password, "new_password", "four other plain words"},
	} {
		s := testserver.New(t)
		s.User(mara, "mara", password)
		b, thief := s.Browser().Login("mara", password), s.Browser()
		thief.SetCookie("gatehouse", b.Cookie("gatehouse"))
		thief.Get("/account").Is(200)
		b.Post(path, form...).Is(303)
		if b.Cookie("gatehouse") == thief.Cookie("gatehouse") {
			t.Errorf("%s: the cookie is the one of before", path)
		}
		thief.Get("/account").Leads("/login?return_to=%2Faccount")
		b.Get("/account").Is(200).Has(`class="flash good"`)
		b.Post("/account/tokens", "show", "access").Is(200)
	}
}

func TestAWrongProofKeepsTheCookie(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	before := b.Cookie("gatehouse")
	b.Post("/account/reauth", "password", "not the password").Is(401)
	if b.Cookie("gatehouse") != before {
		t.Error("a wrong password changed the cookie")
	}
	b.Get("/account").Is(200)
}
