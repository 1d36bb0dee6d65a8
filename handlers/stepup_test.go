package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/handlers"
	"gatehouse/internal/testserver"
	"gatehouse/models"
	"gatehouse/tokens"
)

// unproved are the calls of a signed-in person that change something and ask
// for no fresh proof, with the reason. A new one has to be argued for here.
var unproved = map[string]string{
	"POST /account/profile":                  "a name is no secret, and a sign-in needs the password all the same",
	"PATCH /api/v1/me":                       "as above",
	"POST /account/email/verify":             "the proof was asked for when the change began; this is the code from the new address",
	"POST /api/v1/me/email/verify":           "as above",
	"POST /account/reauth":                   "it makes the proof",
	"POST /api/v1/reauth":                    "as above",
	"POST /api/v1/logout":                    "it takes away and gives nothing",
	"POST /account/security/passkeys/change": "what a passkey is called opens nothing",
	"PATCH /api/v1/me/factors/passkeys/:id":  "as above",
	"POST /account/reauth/passkey/begin":     "it makes the challenge of a proof",
	"POST /api/v1/reauth/passkey/begin":      "as above",
}

// endings only take away, so that a fresh proof of any strength does.
var endings = []string{
	"POST /account/sessions", "DELETE /api/v1/me/sessions", "DELETE /api/v1/me/sessions/:id", "DELETE /api/v1/me/tokens/:id",
	"POST /account/security/trusted", "DELETE /api/v1/me/trusted", "DELETE /api/v1/me/trusted/:id",
}

// readings show what is not for whoever finds an open session.
var readings = []string{"GET /account/email"}

func nameOf(r handlers.Route) string { return r.Method + " " + r.Path }

// personal routes are those of somebody who is signed in.
func ofAPerson(r handlers.Route) bool {
	return slices.Contains(r.Guards, handlers.Session) || slices.Contains(r.Guards, handlers.Bearer)
}

func stepsUp(r handlers.Route) bool {
	return slices.Contains(r.Guards, handlers.StepUp) || slices.Contains(r.Guards, handlers.Second)
}

// Security rule 12, for whatever is added to the table from now on.
func TestEveryCallThatChangesAnAccountAsksForAProof(t *testing.T) {
	for _, r := range handlers.Table() {
		name := nameOf(r)
		recent := slices.Contains(r.Guards, handlers.Recent)
		switch {
		case !ofAPerson(r) || stepsUp(r) || strings.HasPrefix(r.Path, "/api/v1/admin") || strings.HasPrefix(r.Path, "/admin"):
		case slices.Contains(endings, name):
			if !recent {
				t.Errorf("%s asks for no proof", name)
			}
		case r.Method != http.MethodGet && unproved[name] == "":
			t.Errorf("%s changes something without the proof that security rule 12 asks for", name)
		}
	}
	for _, name := range readings {
		if !slices.ContainsFunc(handlers.Table(), func(r handlers.Route) bool { return nameOf(r) == name && stepsUp(r) }) {
			t.Errorf("%s asks for no proof", name)
		}
	}
}

// visitor is a browser and a program in one account, whose proof is set.
type visitor struct {
	s *testserver.Server
	b *testserver.Browser
	p *testserver.Program
}

// shown makes both sessions say that this was shown, so long ago.
func (v visitor) shown(acr, amr string, age time.Duration) {
	v.s.T.Helper()
	_, err := v.s.DB.Exec(v.s.T.Context(), `UPDATE sessions SET acr = ?, amr = ?, auth_time = ? WHERE user_id IS NOT NULL`,
		acr, amr, models.At(v.s.Clock.Now().Add(-age)))
	if err != nil {
		v.s.T.Fatal(err)
	}
	sid, err := models.ParseID(claimsOf(v.s.T, v.p.Access)["sid"].(string))
	if err != nil {
		v.s.T.Fatal(err)
	}
	access, err := v.s.Tokens.Access.ForSession(v.s.T.Context(), sid)
	if err != nil {
		v.s.T.Fatal(err)
	}
	v.p.Access = access.Token.Reveal()
}

// asks reports whether a route asks for more than was shown, and how.
func (v visitor) asks(r handlers.Route) (asked bool, challenge string) {
	v.s.T.Helper()
	if r.Group == handlers.Page {
		a := v.b.Post(pathOf(r))
		if r.Method == http.MethodGet {
			a = v.b.Get(pathOf(r))
		}
		return strings.HasPrefix(a.Header.Get("Location"), "/account/reauth"), ""
	}
	a := v.p.Call(r.Method, pathOf(r), map[string]any{})
	if a.Status == 403 {
		a.Fails(403, "step_up_required")
	}
	return a.Status == 403, a.Header.Get("WWW-Authenticate")
}

func newVisitor(t *testing.T, app bool) visitor {
	s := testserver.New(t)
	u := s.User(mara, "mara", password)
	if err := s.Accounts.SetRoles(t.Context(), u.ID, []string{"user", "owner"}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	v := visitor{s, s.Browser().Login("mara", password), s.Program().Login("mara", password)}
	if app {
		secret := seedOn(v.b.Post("/account/security/totp").Is(200))
		v.b.Post("/account/security/totp", "code", appCode(s, secret, 0)).Is(200)
	}
	return v
}

// Every sensitive route, page and call, with every proof (security rule 12; RFC
// 9470, section 3; ASVS 5.0, 7.5.1 and 7.5.3).
func TestEverySensitiveRouteWantsAProofAsStrongAsTheAccount(t *testing.T) {
	const young, old = time.Minute, 6 * time.Minute
	challengeFor := map[bool]string{
		false: `Bearer error="insufficient_user_authentication", error_description="A fresh proof is needed", acr_values="aal1", max_age="300"`,
		true:  `Bearer error="insufficient_user_authentication", error_description="A fresh proof is needed", acr_values="aal2", max_age="300"`,
	}
	// The good proof of each account stands last, because it changes something.
	proofs := []struct {
		app      bool
		acr, amr string
		age      time.Duration
		asks     bool
	}{
		{false, "aal1", "pwd", old, true}, {false, "aal1", "pwd", young, false},
		{true, "aal1", "pwd", young, true}, {true, "aal1", "pwd", old, true}, {true, "aal2", "pwd otp mfa", old, true},
		{true, "aal1", "otp", young, true}, {true, "", "", young, true}, {true, "aal2", "pwd otp mfa", young, false},
	}
	stranger := testserver.New(t)
	for _, r := range handlers.Table() {
		if !stepsUp(r) {
			continue
		}
		own := slices.Contains(r.Guards, handlers.Second) // it takes the password itself
		t.Run(nameOf(r), func(t *testing.T) {             // whose servers end with it
			for _, app := range []bool{false, true} {
				v := newVisitor(t, app)
				for _, c := range proofs {
					if c.app != app {
						continue
					}
					v.shown(c.acr, c.amr, c.age)
					asked, challenge := v.asks(r)
					if asked != (c.asks && (app || !own)) {
						t.Errorf("%s with %+v: asks for a proof is %v", nameOf(r), c, asked)
					}
					want := challengeFor[app]
					if asked && r.Group == handlers.API && challenge != want {
						t.Errorf("%s: the challenge is %q, want %q", nameOf(r), challenge, want)
					}
				}
			}
		})
		if r.Group == handlers.API {
			stranger.Program().Call(r.Method, pathOf(r), map[string]any{}).Fails(401, "invalid_token")
		} else if a := stranger.Browser().Post(pathOf(r)); !strings.HasPrefix(a.Header.Get("Location"), "/login") && a.Status != 405 {
			t.Errorf("%s lets a stranger in: %d", nameOf(r), a.Status)
		}
	}
}

func TestAFormThatWasRefusedIsKeptUntilTheProof(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	s.Clock.Advance(6 * time.Minute)
	b.Post("/account/tokens", "token_name", `Nightly "backup" <b>`, "profile:read", "1", "expires_at", "").Leads("/account/reauth?return_to=%2Faccount%2Ftokens")
	b.Get("/account/reauth?return_to=/account/tokens").Is(200).Has(`name="password"`, `name="method" value="password"`)
	b.Post("/account/reauth", "password", password, "return_to", "/account/tokens").Leads("/account/reauth/continue")
	page := b.Get("/account/reauth/continue").Is(200)
	page.Has(`action="/account/tokens"`, `name="profile:read" value="1"`, `name="token_name" value="Nightly "backup" <b>"`)
	if strings.Contains(page.Body, "<b>") {
		t.Error("what was typed is markup")
	}
	b.Get("/account/tokens").Is(200).Has("You have none")
	made := b.Post("/account/tokens", "token_name", `Nightly`, "profile:read", "1").Is(200)
	if personalText.FindString(made.Body) == "" {
		t.Error("the form that was kept does not work")
	}
	b.Get("/account/reauth/continue").Leads("/account")
}

func TestAFormIsKeptForItsOwnPageAndForSomeMinutes(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	b.Get("/account/reauth/continue").Leads("/account")
	s.Clock.Advance(6 * time.Minute)
	b.Post("/account/email", "email", "new@harbour.example").Leads("/account/reauth?return_to=%2Faccount%2Femail")
	b.Post("/account/reauth", "password", password, "return_to", "/account/tokens").Leads("/account/tokens")
	b.Get("/account/reauth/continue").Is(200).Has(`value="new@harbour.example"`)
	s.Clock.Advance(11 * time.Minute)
	b.Get("/account/reauth/continue").Leads("/account")
	s.Browser().Get("/account/reauth/continue").Leads("/login?return_to=%2Faccount%2Freauth%2Fcontinue")
}

// What is typed into a field of a secret is never written down, not even
// sealed, and neither is what is too long for a session.
func TestAFormWithASecretIsNotKept(t *testing.T) {
	v := newVisitor(t, true)
	v.shown("aal1", "pwd", time.Minute)
	v.b.Post("/account/security", "current_password", password, "new_password", "four other plain words").
		Leads("/account/reauth?return_to=%2Faccount%2Fsecurity")
	v.b.Get("/account/reauth/continue").Leads("/account")
	v.b.Post("/account/security/totp", "code", "123456").Leads("/account/reauth?return_to=%2Faccount%2Fsecurity%2Ftotp")
	v.b.Get("/account/reauth/continue").Leads("/account")
	v.b.Post("/account/tokens", "token_name", strings.Repeat("a", 3000)).Leads("/account/reauth?return_to=%2Faccount%2Ftokens")
	v.b.Get("/account/reauth/continue").Leads("/account")
}

// A password alone neither raises nor refreshes what two factors have shown.
func TestAChangeOfThePasswordNeedsTheOtherFactorToo(t *testing.T) {
	s := testserver.New(t)
	b, secret, _ := withApp(s)
	s.Clock.Advance(6 * time.Minute)
	const next = "four other plain words"
	// Nobody types two passwords that a proof would then have to throw away.
	b.Get("/account/security").Is(200).Has(`href="/account/reauth?return_to=/account/security"`).Lacks(`name="new_password"`)
	b.Post("/account/security", "current_password", password, "new_password", next).Leads("/account/reauth?return_to=%2Faccount%2Fsecurity")
	b.Post("/account/reauth", "method", "totp", "code", appCode(s, secret, 0), "return_to", "/account/security").Leads("/account/security")
	b.Get("/account/security").Is(200).Has(`name="current_password"`, `name="new_password"`).Lacks("/account/reauth")
	b.Post("/account/security", "current_password", "not the password", "new_password", next).Is(401)
	b.Post("/account/security", "current_password", password, "new_password", next).Leads("/account/security")
	b.Post("/account/tokens", "token_name", "x", "profile:read", "1").Is(200)

	s.Clock.Advance(30 * time.Second)
	p := s.Program()
	half := p.Post("/api/v1/login", "username", "mara", "password", next).Is(200)
	p.Access = p.Post("/api/v1/login/totp", "attempt", half.Text("attempt"), "code", appCode(s, secret, 0)).Is(200).Text("access_token")
	s.Clock.Advance(6 * time.Minute)
	change := map[string]any{"current_password": next, "new_password": password}
	p.Call("POST", "/api/v1/me/password", change).Fails(403, "step_up_required")
	p.Access = p.Post("/api/v1/reauth", "password", next, "code", appCode(s, secret, 0)).Is(200).Text("access_token")
	claims := claimsOf(t, p.Access)
	if claims["acr"] != "aal2" || claims["auth_time"] != float64(s.Clock.Now().Unix()) {
		t.Error(claims)
	}
	p.Call("POST", "/api/v1/me/password", change).Is(204)
}

func TestARecoveryCodeIsNoProof(t *testing.T) {
	s := testserver.New(t)
	b, _, codes := withApp(s)
	s.Clock.Advance(6 * time.Minute)
	b.Get("/account/reauth?method=recovery").Is(200).Lacks("Recovery code")
	b.Post("/account/reauth", "method", "recovery", "code", codes[0]).Is(409)
	b.Post("/account/reauth", "method", "nothing", "code", codes[0]).Is(409)
}
