package handlers_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testserver"
)

// events is how many audit rows of an action and an outcome there are.
func events(t *testing.T, s *testserver.Server, action, outcome string) (n int64) {
	t.Helper()
	err := s.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM audit_events WHERE action = ? AND outcome = ?", action, outcome).Scan(&n).Error
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestATokenThatWasShownIsOnRecord(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	b.Get("/account/tokens").Is(200)
	if n := events(t, s, "token.shown", "success"); n != 0 {
		t.Errorf("%d events before a token was shown", n)
	}
	b.Post("/account/tokens", "show", "access").Is(200)
	if n := events(t, s, "token.shown", "success"); n != 1 {
		t.Errorf("%d events for one token", n)
	}
}

func TestARefreshTellsOfThePersonAsTheirProfileDoes(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	p := s.Program().Login("mara", password)
	seed := p.Post("/api/v1/me/factors/totp").Is(200).Text("secret")
	p.Post("/api/v1/me/factors/totp/confirm", "code", appCode(s, seed, 0)).Is(200)
	p = s.Program()
	attempt := p.Post("/api/v1/login", "username", "mara", "password", password).Is(200).Text("attempt")
	s.Clock.Advance(time.Minute)
	first := p.Post("/api/v1/login/totp", "attempt", attempt, "code", appCode(s, seed, 0)).Is(200)
	p.Access, p.Refresh = first.Text("access_token"), first.Text("refresh_token")
	p.Call("PATCH", "/api/v1/me", map[string]any{"name": "Mara Lindqvist"}).Is(200)
	profile := p.Call("GET", "/api/v1/me", nil).Is(200).Has(`"Mara Lindqvist"`, `"totp"`, `"recovery"`, `"password"`)
	for range 2 { // a repeat tells the same
		p.Post("/api/v1/token/refresh", "refresh_token", first.Text("refresh_token")).Is(200).Has(`"user":` + strings.TrimSpace(profile.Body))
	}
}
