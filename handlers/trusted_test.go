package handlers_test

import (
	"regexp"
	"testing"
	"time"

	"gatehouse/internal/testkit"
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

// trustsHere signs in anew with password and app: a browser with the box ticked,
// and a program beside it.
func trustsHere(s *testserver.Server, b *testserver.Browser, secret string) *testserver.Program {
	s.T.Helper()
	b.Post("/logout")
	signsIn(s, b, secret, "trust", "1")
	s.Clock.Advance(30 * time.Second)
	p := s.Program()
	half := p.Post("/api/v1/login", "username", "mara", "password", password).Is(200)
	p.Access = p.Post("/api/v1/login/totp", "attempt", half.Text("attempt"), "code", appCode(s, secret, 0)).Is(200).Text("access_token")
	return p
}

func TestAProgramListsTrustedBrowsersAndEndsThem(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, trustful, func(o *testserver.Options) { o.DatabaseURL = at })
		const calls = "/api/v1/me/trusted"
		b, secret, _ := withApp(s)
		c, p := newChecker(t), trustsHere(s, b, secret)
		c.check(s.Program().Call("GET", calls, nil).Fails(401, "invalid_token"))
		list := c.check(p.Call("GET", calls, nil).Is(200).Has(`"device":"Firefox on Linux"`, `"last_used_at":null`).Lacks("hash"))
		one := list.JSON()["trusted"].([]any)[0].(map[string]any)
		if want := s.Clock.Now().Add(30*24*time.Hour - 30*time.Second).UTC().Format(time.RFC3339); one["expires_at"] != want {
			t.Errorf("it is trusted until %v, want %s", one["expires_at"], want)
		}
		id := one["id"].(string)

		// A stranger finds neither; a personal token may not even look.
		s.User("eve@harbour.example", "eve", password)
		eve := s.Program().Login("eve", password)
		c.check(eve.Call("GET", calls, nil).Is(200).Has(`{"trusted":[]}`))
		c.check(eve.Call("DELETE", calls+"/"+id, nil).Fails(404, "not_found"))
		c.check(eve.Call("DELETE", calls, nil).Is(204))
		made := p.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "x", "scopes": []string{"profile:read", "sessions:read"}}).Is(201).Text("token")
		s.Send(s.Request("GET", calls, "", "Authorization", "Bearer "+made)).Is(403)
		s.Send(s.Request("DELETE", calls, "", "Authorization", "Bearer "+made)).Is(403)

		for _, nobody := range []string{"nonsense", "00000000-0000-0000-0000-000000000000"} {
			c.check(p.Call("DELETE", calls+"/"+nobody, nil).Fails(404, "not_found"))
		}
		b.Post("/logout")
		b.Post("/login", "username", "mara", "password", password).Leads("/account")
		if now := p.Call("GET", calls, nil).Is(200).JSON()["trusted"].([]any)[0].(map[string]any)["last_used_at"]; now != s.Clock.Now().UTC().Format(time.RFC3339) {
			t.Errorf("last used at %v", now)
		}
		c.check(p.Call("DELETE", calls+"/"+id, nil).Is(204))
		c.check(p.Call("DELETE", calls+"/"+id, nil).Fails(404, "not_found"))
		b.Post("/logout")
		b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")

		p = trustsHere(s, b, secret)
		c.check(p.Call("DELETE", calls, nil).Is(204))
		p.Call("GET", calls, nil).Is(200).Has(`{"trusted":[]}`)
		c.check(p.Call("DELETE", calls, nil).Is(204))
		s.Clock.Advance(6 * time.Minute)
		c.check(p.Call("DELETE", calls, nil).Fails(403, "step_up_required"))
		c.check(p.Call("DELETE", calls+"/"+id, nil).Fails(403, "step_up_required"))
	})
}

func TestTrustedBrowsersStandInTheDataOfTheirOwner(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, trustful, func(o *testserver.Options) { o.DatabaseURL = at })
		b, secret, _ := withApp(s)
		p := trustsHere(s, b, secret)
		b.Post("/logout")
		b.Post("/login", "username", "mara", "password", password).Leads("/account")
		doc := newChecker(t).check(p.Call("GET", "/api/v1/me/data", nil).Is(200)).Lacks("browser_hash", "session_epoch").JSON()
		list := doc["factors"].(map[string]any)["trusted_browsers"].([]any)
		if len(list) != 1 {
			t.Fatalf("%d trusted browsers: %v", len(list), list)
		}
		one := list[0].(map[string]any)
		if one["uses"] != 1.0 || one["user_agent"] == "" || one["last_used_at"] == nil || one["expires_at"] == nil {
			t.Errorf("%v", one)
		}
	})
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
