package handlers_test

import (
	"regexp"
	"testing"
	"time"

	"gatehouse/internal/testserver"
)

func trustful(o *testserver.Options) { o.TrustedDeviceTTL = 30 * 24 * time.Hour }

// signsIn goes through both steps in a browser; fields are what else is posted.
func signsIn(s *testserver.Server, b *testserver.Browser, secret string, fields ...string) {
	s.T.Helper()
	s.Clock.Advance(30 * time.Second)
	b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
	b.Post("/login/totp", append([]string{"code", appCode(s, secret, 0)}, fields...)...).Leads("/account")
}

func TestABrowserIsTrustedByABoxAndAskedAgainByAButton(t *testing.T) {
	s := testserver.New(t, trustful)
	b, secret, _ := withApp(s)
	b.Post("/logout")
	b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
	b.Get("/login/totp").Is(200).Has(`name="trust"`, "for 30\u00a0days")
	b.Get("/login/recovery").Is(200).Lacks(`name="trust"`)
	signsIn(s, b, secret, "trust", "1")
	if m := s.LastMail(); m.Purpose != "notice" {
		t.Errorf("nobody is told: %+v", m)
	}
	b.Post("/logout")
	b.Post("/login", "username", "mara", "password", "wrong").Is(401)
	b.Post("/login", "username", "mara", "password", password, "return_to", "/account/sessions").Leads("/account/sessions")

	// The session has shown a password, and whatever asks for two factors asks.
	b.Post("/account/security/totp/remove").Leads("/account/reauth?return_to=%2Faccount%2Fsecurity%2Ftotp%2Fremove")
	b.Get("/account/reauth").Is(200).Has(`name="code"`).Lacks(`name="password"`)

	page := b.Get("/account/security").Is(200).Has("Trusted browsers", "Firefox on Linux")
	id := regexp.MustCompile(`name="id" value="([0-9a-f-]{36})"`).FindStringSubmatch(page.Body)
	if id == nil {
		t.Fatal(page.Body)
	}
	other := s.Browser()
	signsIn(s, other, secret)
	s.User("eve@harbour.example", "eve", password)
	eve := s.Browser().Login("eve", password)
	eve.Post("/account/security/trusted", "id", id[1]).Is(404)
	eve.Post("/account/security/trusted", "id", "nonsense").Is(404)
	other.Post("/account/security/trusted", "id", id[1]).Leads("/account/security")
	other.Get("/account/security").Is(200).Has("be asked again").Lacks("Trusted browsers")
	b.Post("/logout")
	b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
}

func TestNobodyIsOfferedTrustUnlessItIsOn(t *testing.T) {
	s := testserver.New(t)
	b, secret, _ := withApp(s)
	b.Post("/logout")
	b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
	b.Get("/login/totp").Is(200).Lacks(`name="trust"`)
	signsIn(s, b, secret, "trust", "1")
	b.Post("/logout")
	b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
}

// An administrator whom the policy asks for two factors may trust a browser; what
// administrators do goes on asking for both.
func TestUnderARequiredFactorATrustedBrowserOpensTheDoorAndNothingMore(t *testing.T) {
	s := testserver.New(t, trustful, func(o *testserver.Options) { o.MFA = "required" })
	s.User(mara, "mara", password)
	b := s.Browser()
	b.Post("/login", "username", "mara", "password", password).Leads("/login/enrol")
	secret := seedOn(b.Post("/login/enrol").Is(200))
	b.Post("/login/enrol", "code", appCode(s, secret, 0)).Is(200)
	b.Post("/logout")
	signsIn(s, b, secret, "trust", "1")
	b.Post("/logout")
	b.Post("/login", "username", "mara", "password", password).Leads("/account")
	b.Get("/account/email").Leads("/account/reauth?return_to=%2Faccount%2Femail")
}
