package handlers_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
)

// sessionCookie is the cookie of a browser that opens its account.
const sessionCookie = "gatehouse"

// A new factor was shown to be there: the session, its cookie and every token
// after it say so (security rule 9).
func TestAFactorThatWasJustMadeCountsInTheSessionThatMadeIt(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = at })
		s.User(mara, "mara", password)
		b, d := s.Browser().Login("mara", password), device(s)
		thief := s.Browser()
		thief.SetCookie(sessionCookie, b.Cookie(sessionCookie))
		thief.Get("/account").Is(http.StatusOK)
		options, _ := asked(b.Post(keysPage + "/begin"))
		b.Post(keysPage, "credential", string(d.Create(options))).Leads(keysPage)
		b.Get("/account").Is(http.StatusOK).Has("passkey")
		// Two factors now, so that the next change asks for nothing more.
		b.Get("/account/security/totp").Is(http.StatusOK)
		if a := thief.Get("/account"); a.Status != http.StatusSeeOther {
			t.Errorf("a copy of the cookie of before still opens it: %d", a.Status)
		}
	})
}

func TestTokensAfterAChangeSayWhatTheSessionHasShown(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = at })
		s.User(mara, "mara", password)
		program := service(t, s)
		p, d := s.Program().Login("mara", password), device(s)
		began := claimsOf(t, p.Access)["auth_time"]
		s.Clock.Advance(time.Minute)
		options, _ := asked(p.Call("POST", "/api/v1/me/factors/passkeys/begin", nil))
		p.Call("POST", "/api/v1/me/factors/passkeys", map[string]any{"credential": json.RawMessage(d.Create(options))}).Is(http.StatusCreated)

		// The token of before says what was true when it was signed.
		p.Call("POST", "/api/v1/me/factors/totp", map[string]any{}).Fails(http.StatusForbidden, "step_up_required")
		fresh := p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Is(http.StatusOK)
		p.Access, p.Refresh = fresh.Text("access_token"), fresh.Text("refresh_token")
		wantClaims(t, p.Access, "aal2", "pwd swk user mfa", began)
		a := introspect(t, s, program, p.Access).JSON()
		if a["acr"] != "aal2" || a["auth_time"] != began {
			t.Errorf("introspection says %v, %v", a["acr"], a["auth_time"])
		}
		p.Call("POST", "/api/v1/me/factors/totp", map[string]any{}).Is(http.StatusOK)

		// A proof in between: the refresh after it says the same, and when.
		s.Clock.Advance(6 * time.Minute)
		p.Call("POST", "/api/v1/me/factors/totp", map[string]any{}).Fails(http.StatusForbidden, "step_up_required")
		options, _ = asked(p.Call("POST", "/api/v1/reauth/passkey/begin", nil))
		p.Access = p.Call("POST", "/api/v1/reauth", map[string]any{"credential": json.RawMessage(d.Get(options))}).Is(http.StatusOK).Text("access_token")
		proved := claimsOf(t, p.Access)["auth_time"]
		if proved == began {
			t.Error("the proof is as old as the sign-in")
		}
		s.Clock.Advance(time.Minute)
		p.Access = p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Is(http.StatusOK).Text("access_token")
		wantClaims(t, p.Access, "aal2", "pwd swk user mfa", proved)
		if a := introspect(t, s, program, p.Access).JSON(); a["acr"] != "aal2" || a["auth_time"] != proved {
			t.Errorf("introspection says %v, %v", a["acr"], a["auth_time"])
		}
	})
}

func wantClaims(t testing.TB, token, acr, amr string, authTime any) {
	t.Helper()
	claims := claimsOf(t, token)
	var said []string
	for _, value := range claims["amr"].([]any) {
		said = append(said, value.(string))
	}
	if claims["acr"] != acr || strings.Join(said, " ") != amr || claims["auth_time"] != authTime {
		t.Errorf("the token says %v %v %v, want %s %q %v", claims["acr"], said, claims["auth_time"], acr, amr, authTime)
	}
}

// Where a second factor is required, a passkey will do for the first one too.
func TestWhereASecondFactorIsRequiredAPasskeyIsMadeWithinTheSignIn(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL, o.MFA = at, "required" })
		s.User(mara, "mara", password)
		b, d := s.Browser(), device(s)
		b.Post("/login/enrol/passkey/begin").Is(http.StatusUnauthorized)
		b.Post("/login", "username", "mara", "password", password, "return_to", "/account/sessions").Leads("/login/enrol")
		b.Get("/login/enrol").Is(200).Has(`data-begin="/login/enrol/passkey/begin"`, "Passkeys need JavaScript", "six digits")
		b.Post("/login/enrol", "credential", "{}").Is(422).Has("data-begin")
		options, _ := asked(b.Post("/login/enrol/passkey/begin"))
		credential := string(d.Create(options))
		// The challenge is this sign-in's, and no other's.
		other := s.Browser()
		other.Post("/login", "username", "mara", "password", password).Leads("/login/enrol")
		other.Post("/login/enrol", "credential", credential).Is(http.StatusUnauthorized)
		b.Get("/account").Is(http.StatusSeeOther)
		codesOn(b.Post("/login/enrol", "credential", credential).Is(200).Has(`href="/account/sessions"`))
		b.Get("/account").Is(200).Has("passkey")
		if m := s.LastMail(); m.To != mara || m.Purpose != "notice" {
			t.Errorf("the newest mail is %q to %s", m.Subject, m.To)
		}
		// From now on it is asked for, and the other sign-in makes none any more.
		options, _ = asked(b.Post("/login/passkey/begin"))
		other.Post("/login/enrol/passkey/begin").Is(http.StatusConflict)
		s.Browser().Post("/login", "username", "mara", "password", password).Leads("/login/passkey")
		b.Post("/login/passkey", "credential", string(d.Get(options))).Leads("/account")
	})
}

func TestAProgramMakesAPasskeyWithinTheSignIn(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL, o.MFA = at, "required" })
		s.User(mara, "mara", password)
		p, d := s.Program(), device(s)
		half := p.Post("/api/v1/login", "username", "mara", "password", password).Is(200).Has(`"next":["enrol"]`).Text("attempt")
		begin, finish := "/api/v1/login/enrol/passkey/begin", "/api/v1/login/enrol/passkey"
		p.Post(begin, "attempt", "gh_si_x").Fails(401, "invalid_credentials")
		p.Post(begin).Fails(422, "validation_failed")
		options, attempt := asked(p.Post(begin, "attempt", half))
		if attempt != half {
			t.Errorf("the attempt is %q", attempt)
		}
		// An answer to another question is none to this one.
		unsure := device(s)
		unsure.Flags = testkit.UserPresent | testkit.BackupEligible
		p.Call("POST", finish, map[string]any{"attempt": half, "credential": json.RawMessage(unsure.Create(options))}).Fails(422, "validation_failed")
		p.Call("POST", finish, map[string]any{"attempt": half, "credential": json.RawMessage(d.Create(options))}).Fails(401, "invalid_credentials")
		options, _ = asked(p.Post(begin, "attempt", half))
		made := map[string]any{"attempt": half, "credential": json.RawMessage(d.Create(options)), "name": "desk"}
		a := p.Call("POST", finish, made).Is(200).Has("recovery_codes")
		p.Call("POST", finish, made).Fails(401, "invalid_credentials")
		claims := claimsOf(t, a.Text("access_token"))
		wantClaims(t, a.Text("access_token"), "aal2", "pwd swk user mfa", claims["auth_time"])
		p.Access = a.Text("access_token")
		p.Call("GET", "/api/v1/me/factors/passkeys", nil).Is(200).Has(`"name":"desk"`)
	})
}
