package handlers_test

import (
	"encoding/base64"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

var personalText = regexp.MustCompile(`gh_pat_[0-9A-Za-z]{49}`)

// personal makes a token by the API and hands it to a program of its own.
func personal(t *testing.T, s *testserver.Server, owner *testserver.Program, scopes ...string) (p *testserver.Program, id string) {
	t.Helper()
	a := owner.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "backup", "scopes": scopes}).Is(201)
	p = s.Program()
	p.Access = a.Text("token")
	return p, a.Text("id")
}

// oauth posts a form to one of the token endpoints, with an Authorization
// header unless it is "".
func oauth(s *testserver.Server, path, authorization string, fields url.Values) *testserver.Answer {
	r := s.Request("POST", path, fields.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return s.Send(r)
}

func introspect(t *testing.T, s *testserver.Server, service *testserver.Program, token string) *testserver.Answer {
	t.Helper()
	return oauth(s, "/oauth/introspect", "Bearer "+service.Access, url.Values{"token": {token}}).Is(200)
}

func wantActive(t *testing.T, a *testserver.Answer, active bool) {
	t.Helper()
	if a.JSON()["active"] != active || !active && a.Body != `{"active":false}` {
		t.Errorf("got %s, want active %v", a.Body, active)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("it may be stored: %v", a.Header)
	}
}

func TestAPersonalTokenIsMadeListedUsedAndEndedByTheAPI(t *testing.T) {
	s := testserver.New(t)
	c := newChecker(t)
	s.User(mara, "mara", password)
	owner := s.Program().Login("mara", password)
	c.check(owner.Call("GET", "/api/v1/me/tokens", nil).Is(200)).Has(`{"tokens":[]}`)
	letters := len(s.Inbox())
	made := c.check(owner.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "backup", "scopes": []string{"profile:read"}, "expires_at": "2026-02-01"}).Is(201))
	if made.Header.Get("Cache-Control") != "no-store" || !personalText.MatchString(made.Text("token")) || made.Text("expires_at") != "2026-02-01T23:59:59Z" {
		t.Errorf("%v %s", made.Header, made.Body)
	}
	p := s.Program()
	p.Access = made.Text("token")
	p.Call("GET", "/auth", nil).Is(200).Has(`"scope":"profile:read"`, `"sid":""`)
	c.check(p.Call("GET", "/api/v1/me", nil).Is(200)).Has(mara)
	s.FlushUses()
	told := s.LastMail() // one letter for the making, and it tells nothing of the token
	if n := len(s.Inbox()) - letters; n != 1 || told.To != mara || told.Subject != "A personal token was made for your Gatehouse account" ||
		strings.Contains(told.Text+told.HTML, "gh_pat_") {
		t.Errorf("%d letters, the last %+v", n, told)
	}
	list := c.check(owner.Call("GET", "/api/v1/me/tokens", nil).Is(200)).Has(`"last_used_at":"2026-01-02T03:04:05Z"`, `"last_used_ip":"127.0.0.1"`)
	list.Lacks(p.Access, "token_hash")
	c.check(owner.Call("DELETE", "/api/v1/me/tokens/"+made.Text("id"), nil).Is(204))
	c.check(owner.Call("DELETE", "/api/v1/me/tokens/"+made.Text("id"), nil).Fails(404, "not_found"))
	if n := len(s.Inbox()) - letters; n != 1 {
		t.Errorf("the end of it was told: %d letters", n)
	}
	p.Call("GET", "/api/v1/me", nil).Fails(401, "invalid_token")
	c.check(owner.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "", "scopes": []string{"admin"}, "expires_at": "2030-01-01"}).Fails(422, "validation_failed")).
		Has(`"name":`, `"scopes":`, `"expires_at":`)
	c.check(owner.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "x", "scopes": []string{"app:a"}, "expires_at": "soon"}).Fails(422, "validation_failed"))
}

func TestAPersonalTokenDoesWhatItsScopesSayAndNothingMore(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	owner := s.Program().Login("mara", password)
	reader, id := personal(t, s, owner, "profile:read")
	all, _ := personal(t, s, owner, "profile:read", "profile:write", "sessions:read", "app:orders")
	all.Call("GET", "/api/v1/me", nil).Is(200)
	all.Call("PATCH", "/api/v1/me", map[string]string{"name": "Mara"}).Is(200)
	all.Call("GET", "/api/v1/me/sessions", nil).Is(200)
	refused := func(p *testserver.Program, method, path string, body any, scope string) {
		t.Helper()
		a := p.Call(method, path, body).Fails(403, "insufficient_scope")
		want := `Bearer realm="gatehouse", error="insufficient_scope", scope="` + scope + `"`
		if got := a.Header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%s %s: the challenge is %q, want %q", method, path, got, want)
		}
	}
	refused(reader, "PATCH", "/api/v1/me", map[string]string{"name": "x"}, "profile:write")
	refused(reader, "GET", "/api/v1/me/sessions", nil, "sessions:read")
	for _, call := range [][2]string{
		{"POST", "/api/v1/me/tokens"}, {"GET", "/api/v1/me/tokens"}, {"DELETE", "/api/v1/me/tokens/" + id}, {"POST", "/api/v1/me/password"},
		{"POST", "/api/v1/reauth"}, {"POST", "/api/v1/logout"}, {"DELETE", "/api/v1/me/sessions"}, {"DELETE", "/api/v1/me/sessions/" + id},
	} {
		refused(all, call[0], call[1], nil, "account")
	}
	s.Browser().Get("/account").Is(303)
	for _, method := range []string{"GET", "POST"} {
		if a := all.Call(method, "/account/tokens", nil); a.Status == 200 {
			t.Errorf("a page opened: %d", a.Status)
		}
	}
	reader.Call("GET", "/api/v1/me", nil).Is(200)
}

func TestNoBadPersonalTokenOpensAnything(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	owner := s.Program().Login("mara", password)
	p, _ := personal(t, s, owner, "profile:read")
	good := p.Access
	other := "a"
	if strings.HasSuffix(good, "a") {
		other = "b"
	}
	for bad, reason := range map[string]string{
		good[:len(good)-1]: "personal_malformed", good[:len(good)-1] + other: "personal_malformed", good + "x": "personal_malformed",
		"gh_pat_" + strings.Repeat("0", 49): "personal_malformed", "gh_pat_": "personal_malformed", "gh_rt_" + good[7:]: "malformed",
	} {
		if a := s.Send(s.Request("GET", "/auth", "", "Authorization", "Bearer "+bad)).Fails(401, "invalid_token"); a.Text("reason") != reason {
			t.Errorf("%q: got %s", bad, a.Body)
		}
	}
	s.Send(s.Request("GET", "/auth?token="+good, "")).Fails(401, "invalid_token")
	s.Send(s.Request("GET", "/auth", "", "Cookie", "gatehouse="+good)).Fails(401, "invalid_token")
	owner.Post("/api/v1/token/refresh", "refresh_token", good).Fails(401, "invalid_grant")
	s.Clock.Advance(tokens.PersonalLife)
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
}

func TestPersonalTokensAskForAFreshProofAndAreTheirOwnersAlone(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	s.User("tomasz@harbour.example", "tomasz", password)
	owner, stranger := s.Program().Login("mara", password), s.Program().Login("tomasz", password)
	p, id := personal(t, s, owner, "profile:read")
	stranger.Call("DELETE", "/api/v1/me/tokens/"+id, nil).Fails(404, "not_found")
	stranger.Call("GET", "/api/v1/me/tokens", nil).Is(200).Lacks(id)
	s.Browser().Login("tomasz", password).Post("/account/tokens", "id", id).Is(404)
	p.Call("GET", "/auth", nil).Is(200)
	s.Clock.Advance(6 * time.Minute)
	owner.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "x", "scopes": []string{"app:a"}}).Fails(403, "step_up_required")
	owner.Call("DELETE", "/api/v1/me/tokens/"+id, nil).Fails(403, "step_up_required")
	owner.Access = owner.Post("/api/v1/reauth", "password", password).Is(200).Text("access_token")
	owner.Call("DELETE", "/api/v1/me/tokens/"+id, nil).Is(204)
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
}

func TestWhatHappensToAPersonActsOnTheirPersonalTokensAtOnce(t *testing.T) {
	s := testserver.New(t)
	u := s.User(mara, "mara", password)
	owner := s.Program().Login("mara", password)
	p, _ := personal(t, s, owner, "profile:read")
	p.Call("GET", "/auth", nil).Is(200).Has(`"roles":["user"]`)
	if err := s.Accounts.SetRoles(t.Context(), u.ID, []string{"user", "editor"}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	p.Call("GET", "/auth", nil).Is(200).Has(`editor`)
	owner.Login("mara", password)
	owner.Post("/api/v1/me/password", "current_password", password, "new_password", password+" two").Is(204)
	p.Call("GET", "/auth", nil).Is(200)
	if err := s.Accounts.SetDisabled(t.Context(), u.ID, true, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	wantActive(t, introspect(t, s, service(t, s), p.Access), false)
}

func TestThePageMakesAPersonalTokenShowsItOnceAndEndsIt(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	b.Get("/account/tokens").Is(200).Has("You have none", `value="2026-04-02"`)
	wrong := b.Post("/account/tokens", "token_name", "", "apps", "ORDERS", "profile:read", "1", "expires_at", "2024-01-01").Is(422)
	wrong.Has(`id="token_name-wrong"`, `id="apps-wrong"`, `id="expires_at-wrong"`, `value="ORDERS"`, `value="1" checked`, "Error: ")
	b.Post("/account/tokens", "token_name", "x").Is(422).Has(`id="scopes-wrong"`)
	b.Post("/account/tokens", "token_name", "x", "profile:read", "1", "profile:read", "1").Is(400)
	made := b.Post("/account/tokens", "token_name", "<b>Nightly</b>", "apps", "app:orders:read  app:deploy", "profile:read", "1", "expires_at", "2026-01-09").Is(200)
	text := personalText.FindString(made.Body)
	if text == "" || made.Header.Get("Cache-Control") != "no-store" || strings.Contains(made.Body, "<b>Nightly") {
		t.Fatalf("%v\n%s", made.Header, made.Body)
	}
	p := s.Program()
	p.Access = text
	p.Call("GET", "/api/v1/me", nil).Is(200)
	page := b.Get("/account/tokens").Is(200).Lacks(text).Has("<b>Nightly</b>", "app:orders:read", "Not used yet")
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(page.Body)[1]
	b.Post("/account/tokens", "id", "x").Is(404)
	b.Follow(b.Post("/account/tokens", "id", id)).Is(200).Has("<b>Nightly</b>: ended everywhere in 0.1 s.", fmt.Sprintf("Receipt 1: servers %[1]d, services 0, confirmed %[1]d", len(s.Nodes)), "You have none")
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	b.Post("/account/tokens", "id", id).Is(404)
	for range 2 {
		b.Post("/account/tokens", "token_name", "x", "profile:read", "1").Is(200)
	}
	b.Follow(b.Post("/account/tokens", "all", "1")).Is(200).Has("All personal tokens: ended everywhere in 0.", "You have none")
	if n := events(t, s, "personal_token.ended", "success"); n != 3 {
		t.Errorf("%d endings on record", n)
	}
}

func TestWithoutAFreshProofThePageAsksForItBeforeAnythingIsTyped(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	s.Clock.Advance(6 * time.Minute)
	b.Get("/account/tokens").Is(200).Has(`href="/account/reauth?return_to=/account/tokens"`).Lacks(`name="token_name"`)
	b.Post("/account/tokens", "token_name", "x", "profile:read", "1").Leads("/account/reauth?return_to=%2Faccount%2Ftokens")
	b.Post("/account/reauth", "password", password, "return_to", "/account/tokens").Leads("/account/reauth/continue")
	b.Get("/account/tokens").Is(200).Has(`name="token_name"`)
}

// RFC 7662, sections 2.1 to 2.3.
func TestIntrospectionSaysWhatAnActiveTokenIsGoodFor(t *testing.T) {
	s := testserver.New(t)
	c := newChecker(t)
	u := s.User(mara, "mara", password)
	owner, program := s.Program().Login("mara", password), service(t, s)
	p, id := personal(t, s, owner, "app:orders", "profile:read")
	access := c.check(introspect(t, s, program, owner.Access))
	wantActive(t, access, true)
	access.Has(`"iss":"http://localhost:5000"`, `"sub":"`+u.ID.String()+`"`, `"aud":["http://localhost:5000"]`, `"client_id":"gatehouse"`, `"scope":"account"`,
		`"token_type":"Bearer"`, `"acr":"aal1"`, `"amr":["pwd"]`, `"gen":`, `"cgen":0`, `"sid":`, `"jti":`, `"auth_time":`, `"roles":["user"]`).Lacks("username", mara, "Mara")
	refresh := c.check(introspect(t, s, program, owner.Refresh))
	wantActive(t, refresh, true)
	refresh.Has(`"token_type":"N_A"`, `"sid":`).Lacks("jti")
	own := c.check(introspect(t, s, program, p.Access))
	wantActive(t, own, true)
	own.Has(`"jti":"`+id+`"`, `"scope":"app:orders profile:read"`, `"token_type":"Bearer"`).Lacks("sid", "auth_time", "acr")
	s.FlushUses()
	owner.Call("GET", "/api/v1/me/tokens", nil).Is(200).Has(`"last_used_via":"orders"`)
	for _, hint := range []string{"access_token", "refresh_token", "nonsense"} {
		form := url.Values{"token": {owner.Access}, "token_type_hint": {hint}}
		wantActive(t, oauth(s, "/oauth/introspect", "Bearer "+program.Access, form).Is(200), true)
	}
	old := owner.Refresh
	owner.Refresh = owner.Post("/api/v1/token/refresh", "refresh_token", old).Is(200).Text("refresh_token")
	wantActive(t, introspect(t, s, program, old), false)
	wantActive(t, introspect(t, s, program, owner.Refresh), true)
	for _, bad := range []string{"x", "eyJ", owner.Access + "x", program.Access, old[:len(old)-1], p.Access[:20], "gh_ws_" + p.Access[7:], strings.Repeat("a", 9000), "é"} {
		wantActive(t, c.check(introspect(t, s, program, bad)), false)
	}
	owner.Call("POST", "/api/v1/logout", nil).Is(204)
	wantActive(t, introspect(t, s, program, owner.Access), false)
	wantActive(t, introspect(t, s, program, owner.Refresh), false)
	wantActive(t, introspect(t, s, program, p.Access), true)
}

// RFC 7662, section 2.1 and RFC 6749, sections 2.3.1, 3.1 and 5.2.
func TestIntrospectionIsForServicesAndReadsItsFormStrictly(t *testing.T) {
	s := testserver.New(t)
	c := newChecker(t)
	s.User(mara, "mara", password)
	owner, program := s.Program().Login("mara", password), service(t, s)
	p, _ := personal(t, s, owner, "profile:read")
	token := url.Values{"token": {owner.Access}}
	basic := func(name, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
	}
	wantActive(t, oauth(s, "/oauth/introspect", basic("orders", program.Access), token).Is(200), true)
	for header, code := range map[string]string{
		"": "invalid_token", "Bearer " + owner.Access: "invalid_token", "Bearer " + p.Access: "invalid_token", "Bearer gh_sk_": "invalid_token",
		basic("other", program.Access): "invalid_client", basic("orders", "x"): "invalid_client", basic("", ""): "invalid_client", "Basic !": "invalid_token",
	} {
		a := c.check(oauth(s, "/oauth/introspect", header, token).Fails(401, code))
		if want := map[string]string{"invalid_client": "Basic "}[code]; !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), want) {
			t.Errorf("%q: the challenge is %q", header, a.Header.Get("WWW-Authenticate"))
		}
	}
	send := func(body, kind string) *testserver.Answer {
		return s.Send(s.Request("POST", "/oauth/introspect", body, "Content-Type", kind, "Authorization", "Bearer "+program.Access))
	}
	const form = "application/x-www-form-urlencoded"
	for body, status := range map[string]int{
		"": 400, "token=": 400, "token_type_hint=x": 400, "token=a&token=b": 400, "token=a&x=1&x=2": 400, "token=%zz": 400, "token=%00": 400, "token=%ff": 400,
		"token=" + strings.Repeat("a", 70<<10): 413,
	} {
		if a := c.check(send(body, form)); a.Status != status {
			t.Errorf("%.20q: got %d, want %d", body, a.Status, status)
		}
	}
	c.check(send(`{"token":"x"}`, "application/json").Is(415))
	s.Send(s.Request("POST", "/oauth/introspect?token=x", "", "Content-Type", form, "Authorization", "Bearer "+program.Access)).Is(400)
	s.Send(s.Request("GET", "/oauth/introspect?token=x", "")).Is(405)
}

// RFC 7009, sections 2.1 and 2.2.
func TestRevocationEndsEveryKindOfTokenAndForgivesUnknownOnes(t *testing.T) {
	s := testserver.New(t)
	c := newChecker(t)
	s.User(mara, "mara", password)
	owner, program := s.Program().Login("mara", password), service(t, s)
	p, _ := personal(t, s, owner, "profile:read")
	revoke := func(token string) {
		t.Helper()
		a := c.check(oauth(s, "/oauth/revoke", "", url.Values{"token": {token}, "token_type_hint": {"access_token"}}).Is(200))
		if a.Body != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v %q", a.Header, a.Body)
		}
	}
	for _, unknown := range []string{"x", "gh_pat_x", "gh_rt_x", program.Access, "eyJhbGciOiJub25lIn0.e30."} {
		revoke(unknown)
	}
	other := s.Program().Login("mara", password)
	revoke(other.Access)
	other.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	wantActive(t, introspect(t, s, program, other.Access), false)
	wantActive(t, introspect(t, s, program, other.Refresh), true)
	other.Access = other.Post("/api/v1/token/refresh", "refresh_token", other.Refresh).Is(200).Text("access_token")
	revoke(other.Refresh) // the one of before: genuine all the same
	other.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	revoke(p.Access)
	revoke(p.Access)
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	owner.Call("GET", "/auth", nil).Is(200)
	for action, want := range map[string]int64{"token.revoked": 1, "personal_token.ended": 1, "session.ended": 1} {
		if n := events(t, s, action, "success"); n != want {
			t.Errorf("%s: %d on record, want %d", action, n, want)
		}
	}
	oauth(s, "/oauth/revoke", "Bearer "+program.Access, url.Values{"token": {"x"}}).Is(200)
	c.check(oauth(s, "/oauth/revoke", "Bearer gh_sk_x", url.Values{"token": {owner.Access}}).Fails(401, "invalid_token"))
	c.check(oauth(s, "/oauth/revoke", "", url.Values{}).Fails(400, "invalid_request"))
	c.check(oauth(s, "/oauth/revoke", "", url.Values{"token": {"a", "b"}}).Fails(400, "invalid_request"))
	owner.Call("GET", "/auth", nil).Is(200)
}

func TestDiscoveryNamesIntrospectionAndRevocation(t *testing.T) {
	s := testserver.New(t)
	a := s.Program().Call("GET", "/.well-known/openid-configuration", nil).Is(200)
	if a.Text("introspection_endpoint") != "http://localhost:5000/oauth/introspect" || a.Text("revocation_endpoint") != "http://localhost:5000/oauth/revoke" {
		t.Error(html.EscapeString(a.Body))
	}
}

func TestAFaultOfTheDatabaseLetsNoPersonalTokenIn(t *testing.T) {
	// The answer that is good for some seconds is in the memory of who asked.
	s := testserver.New(t, func(o *testserver.Options) { o.OneNode = true })
	s.User(mara, "mara", password)
	owner, program := s.Program().Login("mara", password), service(t, s)
	p, _ := personal(t, s, owner, "profile:read")
	p.Call("GET", "/auth", nil).Is(200)
	if _, err := s.DB.Exec(t.Context(), "ALTER TABLE personal_tokens RENAME TO elsewhere"); err != nil {
		t.Fatal(err)
	}
	p.Call("GET", "/auth", nil).Is(200) // an answer is good for 5 seconds
	s.Clock.Advance(5 * time.Second)
	for _, a := range []*testserver.Answer{
		p.Call("GET", "/auth", nil), oauth(s, "/oauth/introspect", "Bearer "+program.Access, url.Values{"token": {p.Access}}),
		oauth(s, "/oauth/revoke", "", url.Values{"token": {p.Access}}), owner.Call("GET", "/api/v1/me/tokens", nil),
	} {
		if a.Fails(503, "unavailable"); a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", a.Request.URL)
		}
	}
}
