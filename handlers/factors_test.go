package handlers_test

import (
	"encoding/base32"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

// appCode is what a code app shows for a secret at the server's time. It is
// oathtool's where that is installed: another hand than ours.
func appCode(s *testserver.Server, secret string, shift time.Duration) string {
	s.T.Helper()
	at := s.Clock.Now().Add(shift)
	if tool, err := exec.LookPath("oathtool"); err == nil {
		out, err := exec.CommandContext(s.T.Context(), tool, "--totp", "--base32", "--now=@"+strconv.FormatInt(at.Unix(), 10), secret).Output()
		if err != nil {
			s.T.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		s.T.Fatal(err)
	}
	return hotp(seed, at.Unix()/30)
}

var secretOnPage = regexp.MustCompile(`<code class="key">([A-Z2-7 ]+)</code>`)

func seedOn(a *testserver.Answer) string {
	a.T.Helper()
	found := secretOnPage.FindStringSubmatch(a.Body)
	if found == nil {
		a.T.Fatalf("no secret on the page\n%s", a.Body)
	}
	return strings.ReplaceAll(found[1], " ", "")
}

var codeOnPage = regexp.MustCompile(`<li><code>([0-9A-HJKMNP-TV-Z-]{19})</code>`)

func codesOn(a *testserver.Answer) (list []string) {
	a.T.Helper()
	for _, m := range codeOnPage.FindAllStringSubmatch(a.Body, -1) {
		list = append(list, m[1])
	}
	if len(list) != 10 {
		a.T.Fatalf("%d recovery codes\n%s", len(list), a.Body)
	}
	return list
}

// withApp is a person whose code app was set up in a browser.
func withApp(s *testserver.Server) (b *testserver.Browser, secret string, codes []string) {
	s.T.Helper()
	s.User(mara, "mara", password)
	return setUpApp(s)
}

// setUpApp gives the person who is there already a code app.
func setUpApp(s *testserver.Server) (b *testserver.Browser, secret string, codes []string) {
	s.T.Helper()
	b = s.Browser().Login("mara", password)
	secret = seedOn(b.Post("/account/security/totp").Is(200).Has("<svg class=\"qr\"", `name="code"`))
	codes = codesOn(b.Post("/account/security/totp", "code", appCode(s, secret, 0)).Is(200).Has("download="))
	return b, secret, codes
}

func TestACodeAppIsSetUpAndAskedForInABrowserWithoutScript(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	b.Get("/account/security").Is(200).Has("Your password alone opens your account", `href="/account/security/totp"`)
	b.Get("/account/security/totp").Is(200).Lacks(`name="code"`, "otpauth")
	before := b.Cookie("gatehouse")
	shown := b.Post("/account/security/totp").Is(200)
	secret := seedOn(shown)
	if shown.Header.Get("Cache-Control") != "no-store" || len(secret) != 32 {
		t.Errorf("%v, %d letters", shown.Header, len(secret))
	}
	b.Post("/account/security/totp", "code", "000000").Is(422).Has(`name="code"`).Lacks(secret, "<svg class=\"qr\"")
	codes := codesOn(b.Post("/account/security/totp", "code", appCode(s, secret, 0)).Is(200))
	if b.Cookie("gatehouse") == before {
		t.Error("the session goes on under the cookie of before")
	}
	b.Get("/account/security").Is(200).Has("10 left", "Your account is in good shape", "remove").Lacks(codes[0], secret)
	if m := s.LastMail(); m.Purpose != "notice" || strings.Contains(m.Text, secret) {
		t.Errorf("%+v", m)
	}

	other := s.Browser()
	other.Post("/login", "username", "mara", "password", password, "return_to", "/account/sessions").Leads("/login/totp")
	half := other.Cookie("gatehouse")
	for _, closed := range []string{"/account", "/account/security", "/account/sessions", "/account/tokens", "/account/security/totp"} {
		other.Get(closed).Leads("/login?return_to=" + url.QueryEscape(closed))
	}
	other.Get("/login/totp").Is(200).Has("mara", "Use another way", `href="/login/recovery"`)
	other.Post("/login/totp", "code", appCode(s, secret, 0)).Is(401).Has("has been used")
	other.Post("/login/totp", "code", "000000").Is(401).Has("isn’t right")
	for _, bad := range []string{"", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "１２３４５６", "12 34 5", "123456\u00a0", "+12345", "1e5678"} {
		other.Post("/login/totp", "code", bad).Is(422).Has(`name="code"`)
	}
	s.Clock.Advance(30 * time.Second)
	next := appCode(s, secret, 0)
	other.Post("/login/totp", "code", next[:3]+" "+next[3:]).Leads("/account/sessions")
	if other.Cookie("gatehouse") == half {
		t.Error("the session was not changed at the rise")
	}
	other.Get("/account").Is(200).Has("password", "code")
	other.Get("/login/totp").Leads("/login")

	thief := s.Browser()
	thief.SetCookie("gatehouse", half)
	thief.Get("/account").Leads("/login?return_to=%2Faccount")
	thief.Post("/login/totp", "code", appCode(s, secret, 30*time.Second)).Leads("/login")
}

func TestARecoveryCodeOpensTheAccountOnce(t *testing.T) {
	s := testserver.New(t)
	_, _, codes := withApp(s)
	b := s.Browser()
	b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
	b.Get("/login/recovery").Is(200).Has(`href="/login/totp"`)
	b.Post("/login/recovery", "code", "AAAA-AAAA-AAAA-AAAA").Is(401).Has("isn’t one of your codes")
	b.Post("/login/recovery", "code", " "+strings.ToLower(strings.ReplaceAll(codes[3], "-", ""))+" ").Leads("/account")
	b.Get("/account/security").Is(200).Has("9 left")
	notices := 0
	for _, m := range s.Inbox() {
		if m.Purpose == "notice" && strings.Contains(m.Subject, "recovery code") {
			notices++
		}
	}
	if notices != 1 {
		t.Errorf("%d letters tell of the code that was used", notices)
	}
	again := s.Browser()
	again.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
	again.Post("/login/recovery", "code", codes[3]).Is(401)

	fresh := codesOn(b.Post("/account/security/recovery").Is(200))
	again.Post("/login/recovery", "code", codes[4]).Is(401)
	again.Post("/login/recovery", "code", fresh[9]).Leads("/account")
}

func TestAStepThatBeganElsewhereIsSentToTheLoginPage(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	for _, path := range []string{"/login/totp", "/login/recovery", "/login/enrol"} {
		b.Get(path).Leads("/login")
		b.Post(path, "code", "123456").Leads("/login")
	}
	withApp(s)
	b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
	b.Get("/login/enrol").Leads("/login/totp")
	s.Clock.Advance(10 * time.Minute)
	b.Get("/login/totp").Leads("/login")
	b.Get("/login").Is(200).Has("That took too long")
}

func TestAProofForAFactorIsAsStrongAsTheFactor(t *testing.T) {
	s := testserver.New(t)
	b, secret, _ := withApp(s)
	s.Clock.Advance(6 * time.Minute)
	b.Post("/account/security/totp/remove").Leads("/account/reauth?return_to=%2Faccount%2Fsecurity%2Ftotp%2Fremove")
	b.Get("/account/reauth?return_to=/account/security").Is(200).Has(`name="code"`).Lacks(`name="password"`)
	// A password proves less than what is to go.
	b.Post("/account/reauth", "password", password, "return_to", "/account/security").Leads("/account/reauth?return_to=%2Faccount%2Fsecurity")
	b.Post("/account/security/totp/remove").Leads("/account/reauth?return_to=%2Faccount%2Fsecurity%2Ftotp%2Fremove")
	b.Post("/account/security/recovery").Leads("/account/reauth?return_to=%2Faccount%2Fsecurity%2Frecovery")
	b.Post("/account/security/totp").Leads("/account/reauth?return_to=%2Faccount%2Fsecurity%2Ftotp")
	code := appCode(s, secret, 0)
	b.Post("/account/reauth", "code", code, "return_to", "/account/security").Leads("/account/security")
	b.Post("/account/reauth", "code", code, "return_to", "/account/security").Is(401).Has("has been used")
	b.Post("/account/security/totp/remove").Leads("/account/security")
	b.Get("/account/security").Is(200).Has("The code app is off", "Your password alone").Lacks("Recovery codes")
	s.Browser().Login("mara", password)
}

func TestACodeAppIsSetUpAndAskedForByAProgram(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	p := s.Program().Login("mara", password)
	seed := p.Call(http.MethodPost, "/api/v1/me/factors/totp", map[string]any{}).Is(200)
	secret := seed.Text("secret")
	uri, err := url.Parse(seed.Text("uri"))
	if err != nil || uri.Scheme != "otpauth" || uri.Host != "totp" || uri.Query().Get("secret") != secret || uri.Query().Get("issuer") != "Gatehouse" {
		t.Errorf("%v %v", uri, err)
	}
	p.Post("/api/v1/me/factors/totp/confirm", "code", "000000").Fails(422, "validation_failed")
	p.Post("/api/v1/me/factors/totp/confirm", "code", appCode(s, secret, 0)).Is(200).Has("recovery_codes")
	p.Call(http.MethodGet, "/api/v1/me", nil).Is(200).Has(`"factors":["totp","recovery","password"]`)

	s.Clock.Advance(30 * time.Second)
	q := s.Program()
	half := q.Post("/api/v1/login", "username", "mara", "password", password).Is(200).Has(`"next":["totp","recovery"]`).Lacks("token")
	q.Access = half.Text("attempt")
	q.Call(http.MethodGet, "/auth", nil).Is(401)
	q.Call(http.MethodGet, "/api/v1/me", nil).Is(401)
	q.Access = ""
	q.Post("/api/v1/login/totp", "attempt", half.Text("attempt"), "code", "000000").Fails(401, "invalid_credentials")
	q.Post("/api/v1/login/totp", "attempt", half.Text("attempt"), "code", "12345").Fails(422, "validation_failed")
	q.Post("/api/v1/login/totp", "attempt", "gh_si_none", "code", "123456").Fails(401, "invalid_credentials")
	q.Post("/api/v1/login/totp", "code", "123456").Fails(422, "validation_failed")
	done := q.Post("/api/v1/login/totp", "attempt", half.Text("attempt"), "code", appCode(s, secret, 0)).Is(200).Has(`"factors":["totp","recovery","password"]`)
	claims := claimsOf(t, done.Text("access_token"))
	if claims["acr"] != "aal2" || strings.Join(words(claims["amr"]), " ") != "pwd otp mfa" || claims["auth_time"] != float64(s.Clock.Now().Unix()) {
		t.Errorf("%v", claims)
	}

	q.Access = done.Text("access_token")
	s.Clock.Advance(6 * time.Minute)
	refused := q.Call(http.MethodDelete, "/api/v1/me/factors/totp", nil).Fails(403, "step_up_required")
	if h := refused.Header.Get("WWW-Authenticate"); !strings.Contains(h, "insufficient_user_authentication") {
		t.Error(h)
	}
	q.Access = q.Post("/api/v1/reauth", "password", password).Is(200).Text("access_token")
	if claims := claimsOf(t, q.Access); claims["acr"] != "aal1" {
		t.Errorf("after a password: %v", claims)
	}
	weak := q.Call(http.MethodDelete, "/api/v1/me/factors/totp", nil).Fails(403, "step_up_required")
	if h := weak.Header.Get("WWW-Authenticate"); !strings.Contains(h, `acr_values="aal2"`) {
		t.Error(h)
	}
	q.Post("/api/v1/reauth", "password", password, "code", "000000").Fails(401, "invalid_credentials")
	q.Call(http.MethodPost, "/api/v1/reauth", map[string]any{}).Fails(422, "validation_failed")
	q.Post("/api/v1/reauth", "password", "", "code", "123456").Fails(422, "validation_failed")
	q.Access = q.Post("/api/v1/reauth", "code", appCode(s, secret, 0)).Is(200).Text("access_token")
	if claims := claimsOf(t, q.Access); claims["acr"] != "aal2" {
		t.Errorf("after a code: %v", claims)
	}
	q.Call(http.MethodPost, "/api/v1/me/factors/recovery", nil).Is(200)
	q.Call(http.MethodDelete, "/api/v1/me/factors/totp", nil).Is(204)
	q.Call(http.MethodDelete, "/api/v1/me/factors/totp", nil).Fails(404, "not_found")
	p.Call(http.MethodGet, "/api/v1/me", nil).Is(401) // every other session has ended
	q.Call(http.MethodGet, "/api/v1/me", nil).Is(200).Has(`"factors":["password"]`)
	s.Program().Login("mara", password)
}

func TestWhereASecondFactorIsRequiredASignInMakesOne(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.MFA = "required" })
	s.User(mara, "mara", password)
	b := s.Browser()
	b.Post("/login", "username", "mara", "password", password, "return_to", "/account/sessions").Leads("/login/enrol")
	b.Get("/account").Leads("/login?return_to=%2Faccount")
	b.Get("/login/totp").Leads("/login/enrol")
	b.Get("/login/enrol").Is(200).Lacks(`name="code"`)
	secret := seedOn(b.Post("/login/enrol").Is(200))
	b.Post("/login/enrol", "code", "000000").Is(422).Lacks(secret)
	b.Get("/account").Leads("/login?return_to=%2Faccount")
	codesOn(b.Post("/login/enrol", "code", appCode(s, secret, 0)).Is(200).Has(`href="/account/sessions"`))
	b.Get("/account").Is(200)
	b.Post("/account/security/totp/remove").Is(409)

	s.User("tom@harbour.example", "tom", password)
	p := s.Program()
	half := p.Post("/api/v1/login", "username", "tom", "password", password).Is(200).Has(`"next":["enrol"]`).Text("attempt")
	p.Post("/api/v1/login/totp", "attempt", half, "code", "123456").Fails(409, "conflict")
	p.Post("/api/v1/login/enrol", "attempt", "gh_si_x").Fails(401, "invalid_credentials")
	seed := p.Post("/api/v1/login/enrol", "attempt", half).Is(200).Text("secret")
	done := p.Post("/api/v1/login/enrol/confirm", "attempt", half, "code", appCode(s, seed, 0)).Is(200).Has("recovery_codes")
	if claims := claimsOf(t, done.Text("access_token")); claims["acr"] != "aal2" {
		t.Errorf("%v", claims)
	}
	p.Post("/api/v1/login/enrol", "attempt", half).Fails(401, "invalid_credentials")
}

func TestTheFormWithJSONAsksForTheSecondFactorToo(t *testing.T) {
	s := testserver.New(t)
	withApp(s)
	b := s.Browser()
	b.Header.Set("Accept", "application/json")
	b.Post("/login", "username", "mara", "password", password).Is(200).Has(`"next":["totp","recovery"]`)
}

func TestALinkOfAnOperatorTakesLostFactorsAway(t *testing.T) {
	s := testserver.New(t)
	old, _, _ := withApp(s)
	u, err := s.Accounts.ByLogin(t.Context(), "mara")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SignIn.MailReset(t.Context(), u, s.Options.AppURL, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	m := s.LastMail()
	if m.To != mara || len(m.Links) != 1 {
		t.Fatalf("%+v", m)
	}
	link, err := url.Parse(m.Links[0])
	if err != nil {
		t.Fatal(err)
	}
	token, path := link.Query().Get("token"), link.RequestURI()
	s.User("tom@harbour.example", "tom", password)
	b := s.Browser()
	b.Get("/login/reset?token=gh_ot_none").Is(410)
	b.Get(path).Is(200).Has(`name="password"`)
	b.Post("/login/reset", "token", token, "username", "mara", "password", "not the password").Is(401)
	b.Post("/login/reset", "token", token, "username", "tom", "password", password).Leads("/account/security") // needs no link
	b.Post("/logout").Leads("/login")
	b.Post("/login/reset", "token", token, "username", "mara", "password", password).Leads("/account/security")
	b.Get("/account/security").Is(200).Has("Your second factors are forgotten", "Your password alone")
	old.Get("/account").Leads("/login?return_to=%2Faccount")
	s.Browser().Get(path).Is(410)
	s.Browser().Login("mara", password)
	if err := s.SignIn.MailReset(t.Context(), u, s.Options.AppURL, tokens.Client{}); apperr.Reason(err) != "no_second_factor" {
		t.Error(err)
	}
}

func TestALinkOfAnOperatorLeadsToANewFactorWhereOneIsRequired(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.MFA = "required" })
	u := s.User(mara, "mara", password)
	b := s.Browser()
	b.Post("/login", "username", "mara", "password", password).Leads("/login/enrol")
	secret := seedOn(b.Post("/login/enrol").Is(200))
	b.Post("/login/enrol", "code", appCode(s, secret, 0)).Is(200)
	if err := s.SignIn.MailReset(t.Context(), u, s.Options.AppURL, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	link, err := url.Parse(s.LastMail().Links[0])
	if err != nil {
		t.Fatal(err)
	}
	fresh := s.Browser()
	fresh.Post("/login/reset", "token", link.Query().Get("token"), "username", "mara", "password", password).Leads("/login/enrol")
	fresh.Get("/account").Leads("/login?return_to=%2Faccount")
	again := seedOn(fresh.Post("/login/enrol").Is(200))
	codesOn(fresh.Post("/login/enrol", "code", appCode(s, again, 0)).Is(200))
	fresh.Get("/account").Is(200)
}
