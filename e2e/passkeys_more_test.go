package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// before runs a script in every page before its own.
func (b *browser) before(script string) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	}))
}

// byItself makes Chromium say that it makes passkeys by its own motion. The real
// thing needs Google's password manager with an account in it, which knows that
// the password was just filled; without one Chromium says that it can and refuses
// with NotAllowedError. allowed stands in for that manager: the request goes to
// the virtual authenticator as an ordinary one, and what was asked for is kept.
func (b *browser) byItself(allowed bool) {
	b.t.Helper()
	b.before(fmt.Sprintf(`window.wished = [];
PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: true });
const create = navigator.credentials.create.bind(navigator.credentials);
navigator.credentials.create = (o) => {
  wished.push(o.mediation ?? "none");
  sessionStorage.wished = (sessionStorage.wished ?? "") + (o.mediation ?? "none") + " ";
  return create(%v ? { ...o, mediation: undefined } : o);
};`, allowed))
}

func TestABrowserThatCanMakesAPasskeyAfterAPassword(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, env...)
		b := newBrowser(t, s)
		k := b.authenticator(true)
		b.byItself(true)
		b.signUp(mara, maraPassword)
		b.open("/login")
		b.submit("/login", fields{"username": mara, "password": maraPassword})
		// Nobody pressed anything.
		b.arrives(keysPage)
		b.wantText("[role=status]", "is added")
		if k.held() != 1 {
			t.Errorf("the device keeps %d", k.held())
		}
		var wished string
		b.do(chromedp.Evaluate("sessionStorage.wished", &wished))
		if strings.TrimSpace(wished) != "conditional" {
			t.Errorf("what was asked for is %q", wished)
		}
		if got := s.newest(mara).Subject; !strings.Contains(got, "added") {
			t.Errorf("the newest mail is %q", got)
		}
		// It showed nobody: the next change asks for it, once more and for real.
		b.open("/account/security/totp")
		b.wantText("h1", "Prove it’s you")
		k.present(false)
		b.press("a[href='/account']")
		b.press("form[action='/logout'] button")
		b.open("/login")
		k.present(true)
		b.arrives("/account")
		// Who has one is made no other.
		if b.text(addForm) != "" {
			t.Error("a second one is offered")
		}
	})
}

// The browser may refuse, or never answer, for reasons of its own. That is no
// mistake of the person's, and nothing is said; the button is still there, and
// takes the place of what waits.
func TestABrowserThatMakesNoneByItselfIsNotComplainedAbout(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	k := b.authenticator(true)
	b.byItself(false)
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.wantPath("/account")
	b.until("asks for one", "wished.includes('conditional')")
	if got := b.text(addForm + " [role=alert]"); got != "" {
		t.Errorf("it says %q", got)
	}
	b.press(addForm + " button")
	b.wantPath(keysPage)
	if k.held() != 1 {
		t.Errorf("the device keeps %d", k.held())
	}
}

func TestADeviceForgetsAPasskeyThatNobodyHasAnyMore(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	k := b.authenticator(true)
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.open(keysPage)
	b.press(addForm + " button")
	k.present(false)
	b.press("form[action='/logout'] button")
	// An operator takes the factors away while the device is not looking.
	if out, err := s.command("", "user", "reset-factors", mara); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	link := s.newest(mara).Links[0]
	other := newBrowser(t, s)
	other.do(chromedp.Navigate(link))
	other.submit("/login/reset", fields{"username": mara, "password": maraPassword})
	other.wantPath("/account/security")

	b.open("/login")
	b.do(chromedp.Click(loginForm+" button", chromedp.ByQuery))
	k.present(true)
	b.arrives("/login/passkey")
	b.says("main .flash", "doesn’t belong to any account")
	b.signal("signalUnknownCredential")
	for deadline := time.Now().Add(10 * time.Second); k.held() != 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
	}
	if n := k.held(); n != 0 {
		t.Errorf("the device still shows %d", n)
	}
}

func TestAPasskeyIsMadeWithinASignInThatAsksForAFactor(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, append(env, "MFA=required")...)
		b := newBrowser(t, s)
		k := b.authenticator(true)
		b.signUp(mara, maraPassword)
		b.signIn(mara, maraPassword)
		b.wantPath("/login/enrol")
		b.accessible("the choice")
		k.verified(false)
		b.do(chromedp.Click(addForm+" button", chromedp.ByQuery))
		b.says(addForm, "Nothing happened")
		k.verified(true)
		b.press(addForm + " button")
		if list := b.recoveryCodes(); len(list) != 10 {
			t.Error(list)
		}
		b.accessible("the codes")
		b.press("p > a[href='/account']")
		b.wantPath("/account")
		b.wantText(".lead", "passkey")
		k.present(false)
		b.press("form[action='/logout'] button")
		b.signIn(mara, maraPassword)
		b.wantPath("/login/passkey")

		// Without a script the app is the way, and the page says why.
		s.register("tom@harbour.example", maraPassword)
		plain := newBrowser(t, s)
		plain.withoutScript()
		plain.signIn("tom@harbour.example", maraPassword)
		plain.wantPath("/login/enrol")
		plain.wantText("main", "Passkeys need JavaScript. Every other way works without it.")
		plain.press("form[action='/login/enrol']:not([data-begin]) button")
		plain.submit("/login/enrol", fields{"code": plain.seed(t).code()})
		plain.recoveryCodes()
	})
}

// A server moves from gate.localhost to login.gate.localhost, below the domain of
// its passkeys. Browsers take both names for this machine.
func TestAfterAMoveThePasskeysOfTheDomainBeforeStillSignIn(t *testing.T) {
	s := newServer(t)
	listens := s.url
	env := append([]string{}, s.env...)
	at := func(host string) string { return fmt.Sprintf("http://%s:%d", host, s.port) }
	s.env = append(env, "APP_URL="+at("gate.localhost"))
	s.start()
	if out, err := s.command(maraPassword+"\n", "user", "add", mara, "--password-stdin"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.url = at("gate.localhost")
	b := newBrowser(t, s)
	k := b.authenticator(true)
	b.signIn(mara, maraPassword)
	b.open(keysPage)
	b.press(addForm + " button")
	b.wantText("[role=status]", "is added")
	k.present(false)
	s.stop()

	s.env, s.url = append(env, "APP_URL="+at("login.gate.localhost")), listens
	s.start()
	t.Cleanup(s.stop)
	s.url = at("login.gate.localhost")
	b.open("/login")
	b.wantText("main", "Use a passkey of gate.localhost")
	b.accessible("the login page after a move")
	old := "form[action='/login/passkey']:has([name=rp_id]) button"
	b.do(chromedp.Click(old, chromedp.ByQuery))
	k.present(true)
	b.arrives("/account")
	b.wantText(".lead", "passkey")

	// The list says where it is from, a new one is of today, and either proves.
	b.open(keysPage)
	b.wantText("main", "It was made for gate.localhost")
	b.press(addForm + " button")
	b.wantText("[role=status]", "is added")
	b.open("/account/reauth")
	b.wantText("main", "Use a passkey of gate.localhost")
	b.press("form[action='/account/reauth']:has([name=rp_id]) button")
	b.wantPath("/account")
}
