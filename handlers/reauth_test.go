package handlers_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
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

// An account without a password and a passkey has nothing to prove again.
func TestWhoHasNothingToProveIsToldWhatDoes(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL, o.EmailCode = at, true })
		u := s.User(mara, "mara", password)
		if _, err := s.DB.Exec(t.Context(), "UPDATE users SET password_hash = '' WHERE id = ?", u.ID); err != nil {
			t.Fatal(err)
		}
		b := s.Browser()
		b.Post("/login/emailcode", "username", "mara").Leads("/login/emailcode")
		b.Post("/login/emailcode", "code", code(s)).Leads("/account")
		b.Get("/account/close").Is(200) // the sign-in itself is a fresh proof
		s.Clock.Advance(6 * time.Minute)
		b.Get("/account/close").Leads("/account/reauth?return_to=%2Faccount%2Fclose")
		b.Get("/account/reauth?return_to=%2Faccount%2Fclose").Is(200).Has("a fresh sign-in is the proof", `action="/logout"`).Lacks(`name="password"`)
	})
}

// A program names the domain of before a move, which a browser has a button for.
func TestADomainOfBeforeHasItsOwnButtonAndNoOtherIsAskedFor(t *testing.T) {
	s := testserver.New(t)
	s.Browser().Get("/login").Is(200).Lacks("rp_id")
	for _, domain := range []string{"evil.example", "com", "localhost.", "LOCALHOST"} {
		s.Program().Post("/api/v1/login/passkey/begin", "rp_id", domain).Fails(422, "validation_failed").Has(`"rp_id"`)
		s.Browser().Post("/login/passkey/begin", "rp_id", domain).Is(422)
	}
	options, _ := asked(s.Program().Post("/api/v1/login/passkey/begin", "rp_id", "localhost"))
	if !strings.Contains(string(options), `"rpId":"localhost"`) {
		t.Errorf("the options are %s", options)
	}
}
