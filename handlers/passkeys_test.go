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

const keysPage = "/account/security/passkeys"

// asked is the options inside an answer of a begin.
func asked(a *testserver.Answer) (options []byte, attempt string) {
	a.T.Helper()
	var in struct {
		Attempt   string
		PublicKey json.RawMessage
	}
	if err := json.Unmarshal([]byte(a.Is(http.StatusOK).Body), &in); err != nil {
		a.T.Fatal(err)
	}
	return in.PublicKey, in.Attempt
}

// device is an authenticator that opens pages of the server.
func device(s *testserver.Server) *testkit.Authenticator {
	return testkit.NewAuthenticator(s.T, s.Options.AppURL, "localhost")
}

// withKey is a person whose passkey was added in a browser.
func withKey(s *testserver.Server) (*testserver.Browser, *testkit.Authenticator) {
	s.T.Helper()
	s.User(mara, "mara", password)
	b, d := s.Browser().Login("mara", password), device(s)
	options, _ := asked(b.Post(keysPage + "/begin"))
	b.Post(keysPage, "credential", string(d.Create(options)), "name", "desk").Leads(keysPage)
	b.Get(keysPage).Is(http.StatusOK).Has("“desk” is added")
	return b, d
}

func TestAPasskeySignsABrowserIn(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = at })
		_, d := withKey(s)
		b := s.Browser()
		options, _ := asked(b.Post("/login/passkey/begin"))
		credential := string(d.Get(options))
		// Another browser has no use for the answer.
		s.Browser().Post("/login/passkey", "credential", credential).Is(http.StatusUnauthorized)

		options, _ = asked(b.Post("/login/passkey/begin"))
		a := b.Post("/login/passkey", "credential", string(d.Get(options)), "return_to", "/account/sessions")
		_ = a
		b.Get("/account").Is(http.StatusOK).Has("with passkey")
	})
}

func TestAPasskeyCompletesASignInInABrowser(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = at })
		_, d := withKey(s)
		b := s.Browser()
		b.Post("/login", "username", "mara", "password", password).Leads("/login/passkey")
		b.Get("/account").Is(http.StatusSeeOther) // half a sign-in opens nothing
		options, _ := asked(b.Post("/login/passkey/begin", "step", "second"))
		b.Post("/login/passkey", "step", "second", "credential", "{}").Is(http.StatusUnauthorized)
		b.Post("/login/passkey", "step", "second", "credential", string(d.Get(options))).Leads("/account")
	})
}

func TestPasskeysByJSON(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = at })
		s.User(mara, "mara", password)
		p, d := s.Program().Login("mara", password), device(s)
		options, _ := asked(p.Call("POST", "/api/v1/me/factors/passkeys/begin", nil))
		made := p.Call("POST", "/api/v1/me/factors/passkeys", map[string]any{"credential": json.RawMessage(d.Create(options)), "name": "desk"}).Is(http.StatusCreated)
		one := "/api/v1/me/factors/passkeys/" + made.Text("id")

		options, attempt := asked(s.Program().Call("POST", "/api/v1/login/passkey/begin", map[string]any{"username": "nobody"}))
		if strings.Contains(string(options), "allowCredentials") {
			t.Errorf("the options name passkeys: %s", options)
		}
		answer := map[string]any{"attempt": attempt, "credential": json.RawMessage(d.Get(options))}
		s.Program().Call("POST", "/api/v1/login/passkey/finish", answer).Is(http.StatusOK).Has("access_token")
		s.Program().Call("POST", "/api/v1/login/passkey/finish", answer).Fails(http.StatusUnauthorized, "invalid_credentials").Has("passkey_expired")

		half := s.Program().Post("/api/v1/login", "username", "mara", "password", password).Is(http.StatusOK).Has(`"next":["passkey"`)
		options, attempt = asked(s.Program().Call("POST", "/api/v1/login/passkey/begin", map[string]any{"attempt": half.Text("attempt")}))
		strong := s.Program()
		strong.Access = strong.Call("POST", "/api/v1/login/passkey/finish", map[string]any{"attempt": attempt, "credential": json.RawMessage(d.Get(options))}).
			Is(http.StatusOK).Text("access_token")

		// One factor of two removes none; two do, while their proof is fresh.
		p.Call("DELETE", one, nil).Fails(http.StatusForbidden, "step_up_required")
		s.Clock.Advance(6 * time.Minute)
		strong.Call("DELETE", one, nil).Fails(http.StatusForbidden, "step_up_required")
		options, _ = asked(strong.Call("POST", "/api/v1/reauth/passkey/begin", nil))
		strong.Access = strong.Call("POST", "/api/v1/reauth", map[string]any{"credential": json.RawMessage(d.Get(options))}).Is(http.StatusOK).Text("access_token")
		strong.Call("PATCH", one, map[string]any{"name": "phone"}).Is(http.StatusNoContent)
		strong.Call("GET", "/api/v1/me/factors/passkeys", nil).Is(http.StatusOK).Has(`"name":"phone"`)
		strong.Call("DELETE", one, nil).Is(http.StatusNoContent)
		strong.Call("DELETE", one, nil).Is(http.StatusNotFound)
	})
}

func TestWhatIsNoAnswerOfAnAuthenticatorIsRefused(t *testing.T) {
	s := testserver.New(t)
	for _, credential := range []string{`null`, `"x"`, `[]`, `{}`, `{"id":1}`, `{"response":{}}`, strings.Repeat("[", 7) + strings.Repeat("]", 7)} {
		_, attempt := asked(s.Program().Call("POST", "/api/v1/login/passkey/begin", nil))
		a := s.Program().Raw("POST", "/api/v1/login/passkey/finish", `{"attempt":"`+attempt+`","credential":`+credential+`}`)
		if a.Status != http.StatusUnauthorized && a.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", credential, a.Status, a.Body)
		}
	}
	for _, attempt := range []string{"", "gh_pc_", "gh_si_x", "x"} {
		a := s.Program().Call("POST", "/api/v1/login/passkey/finish", map[string]any{"attempt": attempt, "credential": map[string]any{}})
		if a.Status != http.StatusUnauthorized && a.Status != http.StatusUnprocessableEntity {
			t.Errorf("attempt %q: %d %s", attempt, a.Status, a.Body)
		}
	}
}

func TestRelatedOriginsAreToldUnderAnyHost(t *testing.T) {
	s := testserver.New(t)
	r := s.Request("GET", "/.well-known/webauthn", "")
	r.Host = "old.example"
	a := s.Send(r)
	if a.Status != http.StatusOK || !strings.Contains(a.Body, `{"origins":["`+s.Options.AppURL+`"]}`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
