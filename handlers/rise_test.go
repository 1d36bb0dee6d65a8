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
