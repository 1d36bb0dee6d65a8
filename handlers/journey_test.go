package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

const (
	mara     = "mara@harbour.example"
	password = "four plain words here"
)

// noClient is nobody: what an operator does on the machine itself.
var noClient tokens.Client

// code is the six digits of the newest mail.
func code(s *testserver.Server) string { return s.LastMail().Code }

// linkOf is the path of the link in the newest mail.
func linkOf(t testing.TB, s *testserver.Server) string {
	t.Helper()
	for _, l := range s.LastMail().Links {
		if u, err := url.Parse(l); err == nil && u.Query().Get("token") != "" {
			return u.RequestURI()
		}
	}
	t.Fatal("the mail has no link with a token")
	return ""
}

func TestAPersonSignsUpConfirmsSignsInAndOut(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	b.Get("/").Is(200).Has(`action="/login"`)
	b.Get("/register").Is(200)
	b.Post("/register", "email", mara, "username", "mara", "name", "Mara", "password", password).Leads("/verify")
	b.Get("/verify").Is(200).Has(mara, `name="code"`)
	b.Post("/verify", "code", "000000").Is(422).Has(`name="code"`)
	b.Post("/verify", "code", code(s)).Leads("/login")
	b.Get("/login").Is(200).Has(`class="flash good"`)
	b.Get("/login").Is(200).Lacks(`class="flash good"`)
	b.Post("/login", "username", mara, "password", password).Leads("/account")
	b.Get("/account").Is(200).Has("Mara", `class="flash good"`)
	b.Get("/").Leads("/account")
	b.Get("/login").Leads("/account")
	b.Get("/register").Leads("/account")
	before := b.Cookie("gatehouse")
	b.Post("/logout").Leads("/login")
	b.Get("/login").Is(200).Has(`class="flash good"`)
	b.Get("/account").Leads("/login?return_to=%2Faccount")

	thief := s.Browser()
	thief.SetCookie("gatehouse", before)
	thief.Get("/account").Leads("/login?return_to=%2Faccount")
}

func TestAProgramDoesTheSameByJSON(t *testing.T) {
	s := testserver.New(t)
	p := s.Program()
	a := p.Post("/api/v1/register", "email", mara, "password", password, "username", "mara").Is(202)
	if a.Text("status") != "verify_email" {
		t.Fatal(a.Body)
	}
	attempt := a.Text("attempt")
	p.Post("/api/v1/login", "username", mara, "password", password).Fails(401, "invalid_credentials")
	p.Post("/api/v1/verify", "attempt", attempt, "code", "000000").Fails(422, "validation_failed")
	p.Post("/api/v1/verify", "attempt", attempt, "code", code(s)).Is(204)
	p.Login("mara", password)
	me := p.Call("GET", "/api/v1/me", nil).Is(200)
	if me.Text("email") != mara || me.Text("username") != "mara" || me.JSON()["email_verified"] != true {
		t.Error(me.Body)
	}
	auth := p.Call("GET", "/auth", nil).Is(200)
	if auth.Text("sub") != me.Text("id") || auth.Text("message") == "" || auth.Header.Get("Cache-Control") != "no-store" {
		t.Error(auth.Body)
	}
	p.Call("PATCH", "/api/v1/me", map[string]string{"name": "Mara of the Harbour"}).Is(200).Has("Mara of the Harbour")
	old := *p
	a = p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Is(200)
	p.Access, p.Refresh = a.Text("access_token"), a.Text("refresh_token")
	if p.Refresh == old.Refresh || p.Access == old.Access {
		t.Error("the tokens were not replaced")
	}
	p.Call("POST", "/api/v1/logout", nil).Is(204)
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	p.Call("GET", "/api/v1/me", nil).Fails(401, "invalid_token")
	p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Fails(401, "invalid_grant")
}

func TestALinkConfirmsOnlyByItsButton(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	b.Post("/register", "email", mara, "password", password).Leads("/verify")
	link := linkOf(t, s)
	for range 3 { // scanners of mail open it as often as they like
		s.Browser().Get(link).Is(200).Has(`name="password"`)
		b.Get(link).Is(200).Lacks(`name="password"`)
	}
	token := link[strings.Index(link, "token=")+len("token="):]
	other := s.Browser()
	other.Post("/verify", "token", token).Is(422).Has(`name="password"`)
	other.Post("/verify", "token", token, "password", "not the password").Is(422)
	other.Post("/verify", "token", token, "password", password).Leads("/login")
	b.Get(link).Is(410)
	b.Post("/verify", "token", token).Is(410)
	b.Login(mara, password)
}

func TestALinkNeedsNoPasswordInTheBrowserThatSignedUp(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	b.Post("/register", "email", mara, "password", password).Leads("/verify")
	link := linkOf(t, s)
	b.Post("/verify", "token", link[strings.Index(link, "token=")+len("token="):]).Leads("/login")
	b.Login(mara, password)
}

func TestANewCodeEndsTheOldOne(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	b.Get("/verify").Leads("/register")
	b.Post("/verify/resend").Leads("/register")
	b.Post("/register", "email", mara, "password", password).Leads("/verify")
	first := code(s)
	s.Clock.Advance(time.Second)
	b.Post("/verify/resend").Leads("/verify")
	second := code(s)
	if first != second {
		b.Post("/verify", "code", first).Is(422)
	}
	b.Post("/verify", "code", second[:3]+" "+second[3:]).Leads("/login")
}

func TestASignUpTellsNothingAboutATakenAddress(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	free := s.Program().Post("/api/v1/register", "email", "free@harbour.example", "password", password).Is(202)
	taken := s.Program().Post("/api/v1/register", "email", mara, "password", password).Is(202)
	if len(free.Body) != len(taken.Body) || free.Header.Get("Content-Type") != taken.Header.Get("Content-Type") {
		t.Errorf("the answers differ: %s and %s", free.Body, taken.Body)
	}
	if got := s.LastMail().Purpose; got != "already_registered" {
		t.Errorf("the mail to the owner is %q", got)
	}
	b := s.Browser()
	b.Post("/register", "email", mara, "password", password).Leads("/verify")
	b.Get("/verify").Is(200).Has(mara)
}

func TestAUsernameThatWasTakenMeanwhileIsAskedForAgain(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	b.Post("/register", "email", mara, "username", "mara", "password", password).Leads("/verify")
	p := s.Program()
	attempt := p.Post("/api/v1/register", "email", "third@harbour.example", "username", "mara", "password", password).Is(202).Text("attempt")
	third := code(s)
	s.User("other@harbour.example", "mara", password)
	p.Post("/api/v1/verify", "attempt", attempt, "code", third).Fails(409, "conflict")
	p.Post("/api/v1/verify", "attempt", attempt, "code", third, "username", "third").Is(204)
	b.Post("/verify/resend").Leads("/verify")
	b.Post("/verify", "code", code(s)).Is(422).Has(`name="username"`, `name="code"`)
	b.Post("/verify", "code", code(s), "username", "mara2").Leads("/login")
	b.Login("mara2", password)
}

func TestWithVerificationOptionalAnAccountIsThereAtOnce(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.EmailVerification = "optional" })
	a := s.Program().Post("/api/v1/register", "email", mara, "password", password).Is(201)
	if a.Text("status") != "active" || a.JSON()["user"] == nil {
		t.Error(a.Body)
	}
	s.Program().Post("/api/v1/register", "email", mara, "password", password).Fails(409, "conflict")
	b := s.Browser()
	b.Post("/register", "email", "second@harbour.example", "password", password).Leads("/login")
	b.Post("/register", "email", mara, "password", password).Is(422)
	b.Login(mara, password)
}

func TestAClosedSignUpSaysSo(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.Signup = "closed" })
	s.Browser().Post("/register", "email", mara, "password", password).Is(403)
	s.Program().Post("/api/v1/register", "email", mara, "password", password).Fails(403, "forbidden")
	s.Browser().Get("/login").Is(200).Lacks(`href="/register"`)
}

func TestWithoutMailASignUpIsUnavailable(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.NoInbox = true })
	s.Program().Post("/api/v1/register", "email", mara, "password", password).Fails(503, "mail_not_configured")
	s.Browser().Post("/register", "email", mara, "password", password).Is(503)
	s.Browser().Get("/dev/inbox").Is(404)
	s.Program().Call("GET", "/dev/inbox.json", nil).Fails(404, "not_found")
}

func TestTheLoginFormAnswersJSONToWhoAsks(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	send := func(body string) *testserver.Answer {
		return s.Send(s.Request("POST", "/login", body, "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json"))
	}
	a := send("username=mara&password=" + url.QueryEscape(password)).Is(200)
	if a.Text("token_type") != "Bearer" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	send("username=mara&password=wrong").Fails(401, "invalid_credentials")
	send("username=mara").Fails(422, "validation_failed")
}

func TestAFailedLoginKeepsTheNameAndNeverThePassword(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	for _, login := range []string{"mara", "nobody", "nobody@nowhere.example", "\"><script>"} {
		s.Browser().Post("/login", "username", login, "password", "wrong-secret-77", "return_to", "/account/tokens").
			Is(401).Has(`name="return_to" value="/account/tokens"`).Lacks("wrong-secret-77", "<script>alert")
	}
	s.Browser().Post("/login", "username", "mara").Is(422).Has(`value="mara"`)
	s.Browser().Post("/login", "username", "", "password", "").Is(422)
}

func TestALoginLeadsBackToWhereTheVisitorWasGoing(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	for back, want := range map[string]string{
		"/account/tokens": "/account/tokens", "/account/sessions?x=1": "/account/sessions?x=1",
		"//evil.example": "/account", "https://evil.example": "/account", `/\evil.example`: "/account", "/%0d%0ax": "/account", "/login": "/account",
	} {
		b := s.Browser()
		b.Get("/login?return_to="+url.QueryEscape(back)).Is(200).Lacks(`name="return_to" value="/"`, `name="return_to" value="h`)
		b.Post("/login", "username", "mara", "password", password, "return_to", back).Leads(want)
	}
	b := s.Browser()
	b.Get("/account/sessions?x=1").Leads("/login?return_to=" + url.QueryEscape("/account/sessions?x=1"))
}

func TestTooManyTriesAreThrottledOnPageAndJSONAlike(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.FreeTries = 4 })
	s.User(mara, "mara", password)
	for range 2 {
		s.Browser().Post("/login", "username", "mara", "password", "wrong").Is(401)
		s.Program().Post("/api/v1/login", "username", mara, "password", "wrong").Fails(401, "invalid_credentials")
	}
	page := s.Browser().Post("/login", "username", "mara", "password", password).Is(429)
	call := s.Program().Post("/api/v1/login", "username", "mara", "password", password).Fails(429, "too_many_attempts")
	for _, a := range []*testserver.Answer{page, call} {
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("%s has no Retry-After", a.Request.URL)
		}
	}
	// The first wait is a second: nobody is told of a minute.
	page.Has("You can try again in 1\u00a0s.", "A passkey still works, and so does resetting your password.")
	call.Has("You can try again in 1\u00a0s.")
	s.Clock.Advance(time.Hour)
	s.Browser().Login("mara", password)
}

func TestTheSessionGetsANewIdAtEverySignInAndSignOut(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser()
	b.Post("/register", "email", "x@harbour.example", "password", password).Leads("/verify") // makes an anonymous row
	planted := b.Cookie("gatehouse")
	if planted == "" {
		t.Fatal("no anonymous session")
	}
	a := b.Post("/login", "username", "mara", "password", password).Leads("/account")
	in := b.Cookie("gatehouse")
	if in == planted || in == "" {
		t.Error("the id of before the sign-in is still in use")
	}
	checkCookie(t, a.Response.Cookies(), "gatehouse", false)
	victim := s.Browser()
	victim.SetCookie("gatehouse", planted)
	victim.Get("/account").Leads("/login?return_to=%2Faccount")
	b.Post("/logout").Leads("/login")
	if out := b.Cookie("gatehouse"); out == in {
		t.Error("the id of the sign-in is still in use")
	}
}

func checkCookie(t *testing.T, cookies []*http.Cookie, name string, secure bool) {
	t.Helper()
	for _, c := range cookies {
		if c.Name != name {
			continue
		}
		if !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("the attributes of the cookie are wrong: %v", c)
		}
		return
	}
	t.Errorf("no cookie %s", name)
}

func TestOverHTTPSTheCookieIsBoundToTheHost(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.AppURL = "https://gate.example"; o.NoInbox = true })
	s.User(mara, "mara", password)
	b := s.Browser()
	a := b.Post("/login", "username", "mara", "password", password).Leads("/account")
	checkCookie(t, a.Response.Cookies(), "__Host-gatehouse", true)
	b.Get("/account").Is(200)
}

func TestAVisitorWithoutAFormLeavesNoRow(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	for _, path := range []string{"/", "/login", "/register", "/public", "/docs", "/nothing", "/account"} {
		if a := b.Get(path); a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s sets %q", path, a.Header.Get("Set-Cookie"))
		}
	}
	for _, garbage := range []string{"x", "gh_ws_" + strings.Repeat("A", 43), strings.Repeat("y", 4000)} {
		b.SetCookie("gatehouse", garbage)
		b.Get("/login").Is(200)
		b.Get("/account").Leads("/login?return_to=%2Faccount")
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	phone, desk := s.Browser(), s.Browser()
	phone.Header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")
	phone.Login("mara", password)
	desk.Login("mara", password)
	p := s.Program().Login("mara", password)
	desk.Get("/account/sessions").Is(200).Has("Firefox on Linux", "Safari on iPhone", "A program (curl)")
	list := p.Call("GET", "/api/v1/me/sessions", nil).Is(200).JSON()["sessions"].([]any)
	if len(list) != 3 {
		t.Fatalf("got %d sessions", len(list))
	}
	var phoneID string
	for _, one := range list {
		row := one.(map[string]any)
		if row["device"] == "Safari on iPhone" {
			phoneID = row["id"].(string)
		}
		if row["current"] != (row["device"] == "A program (curl)") {
			t.Errorf("current is wrong in %v", row)
		}
	}
	desk.Post("/account/sessions", "id", phoneID).Leads("/account/sessions")
	desk.Get("/account/sessions").Is(200).Has("Safari on iPhone", `class="flash good"`)
	phone.Get("/account").Leads("/login?return_to=%2Faccount")
	desk.Post("/account/sessions", "id", phoneID).Is(404)
	p.Call("DELETE", "/api/v1/me/sessions/"+phoneID, nil).Fails(404, "not_found")
	p.Call("DELETE", "/api/v1/me/sessions", nil).Is(204)
	desk.Get("/account").Leads("/login?return_to=%2Faccount")
	p.Call("GET", "/auth", nil).Is(200)
	desk.Login("mara", password).Post("/account/sessions", "others", "1").Leads("/account/sessions")
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
}

func TestTheSessionOfAnotherPersonIsNotFound(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	s.User("eve@harbour.example", "eve", password)
	victim := s.Browser().Login("mara", password)
	id := s.Program().Login("mara", password).Call("GET", "/api/v1/me/sessions", nil).JSON()["sessions"].([]any)[0].(map[string]any)["id"].(string)
	s.Browser().Login("eve", password).Post("/account/sessions", "id", id).Is(404)
	s.Program().Login("eve", password).Call("DELETE", "/api/v1/me/sessions/"+id, nil).Fails(404, "not_found")
	victim.Get("/account").Is(200)
}

func TestOnesOwnSessionEndsLikeASignOut(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	p := s.Program().Login("mara", password)
	var own string
	for _, one := range p.Call("GET", "/api/v1/me/sessions", nil).JSON()["sessions"].([]any) {
		if row := one.(map[string]any); row["device"] != "A program (curl)" {
			own = row["id"].(string)
		}
	}
	b.Post("/account/sessions", "id", own).Leads("/login")
	b.Get("/account").Leads("/login?return_to=%2Faccount")
}

func TestChangesOfSessionsAndTokensAskForAFreshProof(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	p := s.Program().Login("mara", password)
	s.Clock.Advance(6 * time.Minute)
	b.Get("/account/sessions").Is(200)
	b.Post("/account/tokens", "show", "access").Leads("/account/reauth?return_to=%2Faccount%2Ftokens")
	b.Post("/account/sessions", "others", "1").Leads("/account/reauth?return_to=%2Faccount%2Fsessions")
	b.Get("/account/reauth?return_to=%2Faccount%2Ftokens").Is(200).Has(`value="/account/tokens"`)
	b.Post("/account/reauth", "password", "wrong", "return_to", "/account/tokens").Is(401).
		Has(`value="/account/tokens"`, "That password isn’t right.").Lacks("That name")
	b.Post("/account/reauth", "password", password, "return_to", "/account/tokens").Leads("/account/tokens")
	b.Post("/account/tokens", "show", "access").Is(200)

	step := p.Call("DELETE", "/api/v1/me/sessions", nil).Fails(403, "step_up_required")
	if !strings.Contains(step.Header.Get("WWW-Authenticate"), "insufficient_user_authentication") {
		t.Error("RFC 9470: no challenge")
	}
	p.Post("/api/v1/reauth", "password", "wrong").Fails(401, "invalid_credentials").Has(`"password":"That password isn’t right.`)
	fresh := p.Post("/api/v1/reauth", "password", password).Is(200)
	p.Access = fresh.Text("access_token")
	p.Call("DELETE", "/api/v1/me/sessions", nil).Is(204)
}

func TestTheTokenPageShowsATokenThatWorks(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	b.Get("/account/tokens").Is(200).Lacks("eyJ")
	a := b.Post("/account/tokens", "show", "access").Is(200).Has("/auth", "ES256", "at+jwt")
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Error("a page with a token may be stored")
	}
	start := strings.Index(a.Body, "Bearer eyJ")
	if start < 0 {
		t.Fatal("no curl line with the token")
	}
	token, _, _ := strings.Cut(strings.NewReplacer("&#34;", `"`, "&quot;", `"`, "'", `"`).Replace(a.Body[start+len("Bearer "):]), `"`)
	p := s.Program()
	p.Access = token
	p.Call("GET", "/auth", nil).Is(200)
	s.Clock.Advance(11 * time.Minute)
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
}

func TestANewPasswordEndsEveryOtherSession(t *testing.T) {
	const fresh = "another four plain words"
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b, other, p := s.Browser().Login("mara", password), s.Browser().Login("mara", password), s.Program().Login("mara", password)
	b.Post("/account/security", "current_password", "wrong", "new_password", fresh).Is(401).Has("That password isn’t right.").Lacks("That name")
	b.Post("/account/security", "current_password", password, "new_password", "short").Is(422).Lacks(`value="short"`)
	b.Post("/account/security", "new_password", fresh).Is(422)
	other.Get("/account").Is(200)
	b.Post("/account/security", "current_password", password, "new_password", fresh).Leads("/account/security")
	b.Get("/account/security").Is(200).Has(`class="flash good"`)
	other.Get("/account").Leads("/login?return_to=%2Faccount")
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	p.Post("/api/v1/login", "username", "mara", "password", password).Fails(401, "invalid_credentials")
	p.Login("mara", fresh)
	p.Post("/api/v1/me/password", "current_password", "wrong", "new_password", password).Fails(401, "invalid_credentials").
		Has(`"current_password":"That password isn’t right.`)
	p.Post("/api/v1/me/password", "current_password", fresh, "new_password", "short").Fails(422, "validation_failed")
	p.Post("/api/v1/me/password", "current_password", fresh, "new_password", password).Is(204)
	b.Get("/account").Leads("/login?return_to=%2Faccount")
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Is(200)
}

func TestAProfileIsChangedFieldByField(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	s.User("eve@harbour.example", "eve", password)
	b := s.Browser().Login("mara", password)
	b.Post("/account/profile", "name", "Mara M", "username", "mara").Leads("/account/profile")
	b.Get("/account/profile").Is(200).Has("Mara M")
	b.Post("/account/profile", "name", "x", "username", "eve").Is(422).Has(`value="eve"`)
	b.Post("/account/profile", "name", "x", "username", "a@b").Is(422)
	p := s.Program().Login("mara", password)
	p.Call("PATCH", "/api/v1/me", map[string]string{"username": "eve"}).Fails(409, "conflict")
	p.Call("PATCH", "/api/v1/me", map[string]string{"roles": "owner"}).Fails(400, "invalid_request")
	p.Call("PATCH", "/api/v1/me", map[string]any{"name": nil}).Is(200).Has("Mara M")
}

func TestTheFirstOwnerIsMadeOnceByTheLink(t *testing.T) {
	s := testserver.New(t)
	token, err := s.Accounts.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	link := "/setup?token=" + token.Reveal()
	b := s.Browser()
	b.Get("/setup").Is(410)
	b.Get("/setup?token=x").Is(410)
	b.Get(link).Is(200)
	b.Get(link).Is(200)
	b.Post("/setup", "token", token.Reveal(), "email", mara, "username", "mara", "password", "short").Is(422).Has(`value="mara"`)
	b.Post("/setup", "token", token.Reveal(), "email", mara, "username", "mara", "password", password).Leads("/login")
	b.Get(link).Is(410)
	b.Post("/setup", "token", token.Reveal(), "email", "x@y.example", "username", "eve", "password", password).Is(410)
	p := s.Program().Login("mara", password)
	p.Call("GET", "/api/v1/me", nil).Is(200).Has(`"owner"`)
}

func TestAResetLinkSetsANewPasswordOnce(t *testing.T) {
	const fresh = "another four plain words"
	s := testserver.New(t)
	u := s.User(mara, "mara", password)
	in := s.Browser().Login("mara", password)
	link, err := s.Accounts.ResetLink(t.Context(), u.ID, noClient)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(link.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	token := to.Query().Get("token")
	b := s.Browser()
	b.Get(to.RequestURI()).Is(200).Has(`value="mara"`)
	b.Get(to.RequestURI()).Is(200)
	b.Post("/reset", "token", token, "new_password", "short").Is(422)
	b.Post("/reset", "token", token, "new_password", fresh).Leads("/login")
	b.Get(to.RequestURI()).Is(410)
	b.Post("/reset", "token", token, "new_password", fresh).Is(410)
	in.Get("/account").Leads("/login?return_to=%2Faccount")
	b.Login("mara", fresh)
}

func TestADisabledPersonIsOutAtOnce(t *testing.T) {
	s := testserver.New(t)
	u := s.User(mara, "mara", password)
	b, p := s.Browser().Login("mara", password), s.Program().Login("mara", password)
	if err := s.Accounts.SetDisabled(t.Context(), u.ID, true, noClient); err != nil {
		t.Fatal(err)
	}
	b.Get("/account").Leads("/login?return_to=%2Faccount")
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Fails(401, "invalid_grant")
	p.Post("/api/v1/login", "username", "mara", "password", password).Fails(401, "invalid_credentials")
}

func TestTheDevelopmentInboxIsAPageAndJSON(t *testing.T) {
	s := testserver.New(t)
	s.Program().Post("/api/v1/register", "email", mara, "password", password).Is(202)
	s.Browser().Get("/dev/inbox").Is(200).Has(mara, code(s)[:3]+" "+code(s)[3:])
	a := s.Program().Call("GET", "/dev/inbox.json", nil).Is(200)
	first := a.JSON()["messages"].([]any)[0].(map[string]any)
	if first["to"] != mara || first["purpose"] != "verify_email" || first["code"] != code(s) {
		t.Error(a.Body)
	}
	s.Send(s.Request("GET", "/dev/inbox.json", "", "X-Forwarded-For", "127.0.0.1")).Fails(404, "not_found")
}

func TestTheLanguageFollowsTheBrowserAndTheSwitch(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	b.Header.Set("Accept-Language", "de")
	b.Get("/login").Is(200).Has(`lang="de"`)
	b.Get("/login?lang=en").Is(200).Has(`<html lang="en"`)
	b.Get("/register").Is(200).Has(`<html lang="en"`)
	b.Get("/nothing?lang=de").Is(404).Has(`<html lang="de"`)
}
