package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// signUp registers in the browser with the code from the development inbox.
func (b *browser) signUp(email, password string) {
	b.t.Helper()
	b.open("/register")
	b.submit("/register", fields{"email": email, "password": password})
	b.wantText("h1", "Check your mail")
	b.submit("/verify", fields{"code": b.s.newest(email).Code})
}

func (b *browser) signIn(login, password string) {
	b.t.Helper()
	b.open("/login")
	b.submit("/login", fields{"username": login, "password": password})
}

func TestAPersonRegistersConfirmsSignsInEndsSessionsAndSignsOut(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, env...)
		b := newBrowser(t, s)
		b.open("/")
		b.wantText("h1", "Sign in")
		b.signUp(mara, maraPassword)
		b.wantText("[role=status]", "")

		// A wrong password tells nothing and keeps the name.
		b.signIn(mara, "not the password")
		b.wantText("form", "don’t match")
		var kept string
		b.do(chromedp.Value("#username", &kept, chromedp.ByQuery))
		if kept != mara {
			t.Errorf("the name typed was lost: %q", kept)
		}

		anonymous := b.cookie("gatehouse")
		b.submit("/login", fields{"password": maraPassword})
		b.wantPath("/account")
		signedIn := b.cookie("gatehouse")
		if signedIn == nil || anonymous != nil && anonymous.Value == signedIn.Value {
			t.Error("signing in kept the session id")
		}
		if signedIn != nil && (!signedIn.HTTPOnly || signedIn.SameSite != "Lax") {
			t.Errorf("the cookie is %+v", signedIn)
		}

		// Another browser signs in; this one ends its session.
		other := newBrowser(t, s)
		other.signIn(mara, maraPassword)
		other.wantPath("/account")
		b.open("/account/sessions")
		b.wantText("main", "this one")
		b.press("form[action='/account/sessions'] button")
		b.wantText("[role=status]", "signed out")
		other.open("/account")
		other.wantText("h1", "Sign in")

		b.press("form[action='/logout'] button")
		b.wantText("[role=status]", "signed out")
		b.open("/account")
		b.wantText("h1", "Sign in")
	})
}

func TestEverythingWorksWithoutJavaScript(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	b.withoutScript()
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.wantPath("/account")
	b.wantText("h1", "Overview") // not "Hello" and an address, which a phone would cut in two
	b.size(390, 800)
	b.wantText("main", "Passkeys need JavaScript")
	b.roomy("the offer of a passkey")
	b.open("/account/security/passkeys")
	b.wantText("main", "Passkeys need JavaScript")
	b.roomy("the list of passkeys")
	b.size(1280, 800)
	b.open("/account/profile")
	b.submit("/account/profile", fields{"name": "Mara Lindqvist", "username": "mara"})
	b.wantText("body", "Mara Lindqvist")
	b.open("/account/tokens")
	b.press("main button[name='show']")
	b.wantText("main", "at+jwt")
	b.wantText("main", "curl -H")
}

func TestTheShownTokenOpensTheGuardedEndpoint(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.press("main button[name='show']")
	line := b.text("pre")
	_, rest, _ := strings.Cut(line, "Bearer ")
	token, _, _ := strings.Cut(rest, `"`)
	who := s.want(200, "GET", "/auth", token, nil)
	if who["sub"] == "" || !strings.HasSuffix(strings.TrimSpace(line), s.url+"/auth") {
		t.Errorf("%q answered %v", line, who)
	}
	b.open("/account")
	b.press("form[action='/logout'] button")
	s.want(401, "GET", "/auth", token, nil)
}

func TestTheKeyboardAloneIsEnough(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	b.signUp(mara, maraPassword)
	b.open("/login")
	b.tabTo("username")
	b.do(chromedp.KeyEvent(mara))
	b.tabTo("password")
	b.do(chromedp.KeyEvent(maraPassword))
	b.enter()
	b.wantPath("/account")
	b.do(chromedp.KeyEvent(kb.Tab))
	if got := b.focused(); got != "Skip to the content" {
		t.Errorf("the first stop behind the door is %q, want the way past the menu", got)
	}
	b.tabTo("Sign out")
	b.enter()
	b.wantText("h1", "Sign in")
}

// tabTo presses Tab until an element has the keyboard.
func (b *browser) tabTo(want string) {
	b.t.Helper()
	for range 30 {
		if strings.TrimSpace(b.focused()) == want {
			return
		}
		b.do(chromedp.KeyEvent(kb.Tab))
	}
	b.t.Fatalf("Tab never reaches %q at %s", want, b.path())
}

func (b *browser) enter() {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
		b.t.Fatal(err)
	}
}

// accessibleEverywhere is accessible in light and dark, on a phone and a desktop.
func (b *browser) accessibleEverywhere(path string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, width := range []int64{320, 1280} {
			b.size(width, 900)
			b.open(path)
			b.accessible(path + " " + scheme)
		}
	}
}

func TestEveryPageIsAccessibleInLightAndDarkOnPhoneAndDesktop(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	check := b.accessibleEverywhere
	b.signUp(mara, maraPassword)
	for _, path := range []string{"/login", "/register", "/public", "/docs", "/dev/inbox", "/nothing-here", "/login?lang=de", "/register?lang=en", "/forgot"} {
		check(path)
	}
	setup := strings.TrimPrefix(s.setupURL(), s.url)
	check(setup)
	b.open("/forgot")
	b.submit("/forgot", fields{"username": mara})
	check("/reset")
	check(s.newest(mara).path(s))
	check("/reset?token=ended")
	b.signIn(mara, maraPassword)
	for _, path := range []string{"/account", "/account/profile", "/account/email", "/account/security", "/account/sessions", "/account/tokens", "/account/reauth"} {
		check(path)
	}
	b.open("/account/tokens")
	b.press("main button[name='show']")
	b.accessible("the token viewer")
	b.open("/account/email")
	b.submit("/account/email", fields{"email": newMara})
	check("/account/email/verify")
	b.submit("/account/email/verify", fields{"code": s.newest(newMara).Code})
	check(s.newest(mara).path(s))
	check("/undo?token=ended")
}

func TestThePagesOfAdministratorsAreAccessible(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	if out, err := s.command(maraPassword+"\n", "user", "add", mara, "--role", "owner", "--password-stdin"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.signIn(mara, maraPassword)
	b.open("/admin/invitations")
	b.submit("/admin/invitations", fields{"email": "a.long.address.that.nobody.types.by.hand@harbour.example"})
	for _, path := range []string{"/admin/invitations", "/admin/audit", "/admin/factors"} {
		b.accessibleEverywhere(path)
		b.wantPath(path)
	}
}

func TestTheFirstAdministratorIsMadeByThePrintedLink(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, env...)
		b := newBrowser(t, s)
		link := strings.TrimPrefix(s.setupURL(), s.url)
		b.open(link)
		b.submit("/setup", fields{"email": "ada@harbour.example", "username": "ada", "password": "password1"})
		b.wantText("form", "thieves try first")
		b.submit("/setup", fields{"password": maraPassword})
		if b.path() != "/account" {
			b.signIn("ada", maraPassword)
		}
		b.wantPath("/account")
		out, err := s.command("", "user", "show", "ada", "--json")
		if err != nil || !strings.Contains(out, `"roles":["owner"]`) {
			t.Errorf("%v: %s", err, out)
		}
		b.open(link)
		b.wantText("main", "used before")
	})
}

func TestAnOperatorsLinkSetsANewPasswordAndEndsEverythingOld(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, env...)
		s.register(mara, maraPassword)
		old := s.login(mara, maraPassword)
		out, err := s.command("", "user", "reset-link", mara)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b := newBrowser(t, s)
		link := strings.TrimPrefix(strings.TrimSpace(out), s.url)
		b.open(link)
		b.open(link) // looking consumes nothing
		b.submit("/reset", fields{"new_password": "other plain words here"})
		b.signIn(mara, "other plain words here")
		b.wantPath("/account")
		s.want(401, "GET", "/auth", old.Access, nil)
		s.want(401, "POST", "/api/v1/token/refresh", "", map[string]any{"refresh_token": old.Refresh})
		b.open(link)
		b.wantText("main", "used before")
		s.want(401, "POST", "/api/v1/login", "", map[string]any{"username": mara, "password": maraPassword})
	})
}

func TestChangingThePasswordSignsOutEveryOtherDevice(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	b.signUp(mara, maraPassword)
	program := s.login(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.open("/account/security")
	b.submit("/account/security", fields{"current_password": maraPassword, "new_password": "other plain words here"})
	b.wantText("[role=status]", "Password changed")
	s.want(401, "GET", "/auth", program.Access, nil)
	b.open("/account/sessions")
	b.wantText("main", "this one")
	if m := s.newest(mara); m.Purpose != "notice" {
		t.Errorf("the newest mail is %q, want a notice", m.Purpose)
	}
}

func TestAVisitorComesBackToWhereTheyWereGoing(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	b.signUp(mara, maraPassword)
	b.open("/account/sessions")
	b.wantText("h1", "Sign in")
	b.submit("/login", fields{"username": mara, "password": maraPassword})
	b.wantPath("/account/sessions")
}
