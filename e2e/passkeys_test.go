package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

var passkeyShots = flag.String("passkeys", "", "a folder to draw the pages of passkeys into")

// key is an authenticator inside the browser.
type key struct {
	b  *browser
	id webauthn.AuthenticatorID
}

// authenticator puts one into the browser, and keeps what is signalled.
func (b *browser) authenticator(synced bool) *key {
	b.t.Helper()
	k := &key{b: b}
	b.do(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		k.id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			DefaultBackupEligibility: synced, DefaultBackupState: synced,
		}).Do(ctx)
		return err
	}), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(`window.signals = [];
for (const name of ["signalAllAcceptedCredentials", "signalCurrentUserDetails", "signalUnknownCredential"]) {
  const call = PublicKeyCredential[name]?.bind(PublicKeyCredential);
  PublicKeyCredential[name] = (o) => { signals.push(name + " " + (o.allAcceptedCredentialIds ?? o.displayName ?? o.credentialId)); return call(o); };
}`).Do(ctx)
		return err
	}))
	return k
}

// present says whether somebody touches it, verified whether it knows them.
func (k *key) present(yes bool) {
	k.b.t.Helper()
	k.b.do(webauthn.SetAutomaticPresenceSimulation(k.id, yes))
}

func (k *key) verified(yes bool) {
	k.b.t.Helper()
	k.b.do(webauthn.SetUserVerified(k.id, yes))
}

// held is how many passkeys it keeps.
func (k *key) held() (n int) {
	k.b.t.Helper()
	k.b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		list, err := webauthn.GetCredentials(k.id).Do(ctx)
		n = len(list)
		return err
	}))
	return n
}

// arrives waits for a page to which a script leads.
func (b *browser) arrives(want string) {
	b.t.Helper()
	b.until("arrives at "+want, fmt.Sprintf("location.pathname + location.search === %q && document.readyState === 'complete'", want))
}

// says waits for words that a script writes, or that the next page shows.
func (b *browser) says(selector, want string) {
	b.t.Helper()
	b.until(selector+" says "+want, fmt.Sprintf("document.readyState === 'complete' && !!(document.querySelector(%q)||{}).innerText?.includes(%q)", selector, want))
}

// leaveFor opens a page from one whose autofill may be answering by itself,
// because somebody touches the authenticator all the time, and so may lead
// elsewhere at the same moment.
func (b *browser) leaveFor(path string) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := chromedp.Run(b.ctx, chromedp.Navigate(b.s.url+path))
		if err == nil && b.path() == path {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s does not open: %v", path, err)
		}
	}
}

// until waits for a condition of the page. It is asked anew each time, because
// a question that is under way when the next page comes has no answer.
func (b *browser) until(what, condition string) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var met bool
		ctx, cancel := b.within()
		err := chromedp.Run(ctx, chromedp.Evaluate(condition, &met))
		cancel()
		if err == nil && met {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the browser is at %s, waiting until it %s (%v):\n%s", b.path(), what, err, b.text("body"))
		}
	}
}

func (b *browser) signal(want string) {
	b.t.Helper()
	b.until("signals "+want, fmt.Sprintf("document.readyState === 'complete' && signals.some((s) => s.startsWith(%q))", want))
}

const (
	addForm   = "form[data-create]"
	loginForm = "form[action='/login/passkey']"
	keysPage  = "/account/security/passkeys"
)

func TestAPersonAddsUsesNamesAndRemovesAPasskey(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, env...)
		b := newBrowser(t, s)
		k := b.authenticator(true)
		b.signUp(mara, maraPassword)
		b.signIn(mara, maraPassword)
		b.open(keysPage)
		b.wantText("main", "You have none yet")
		b.accessible("the empty list")
		b.press(addForm + " button")
		b.wantText("[role=status]", "is added")
		b.wantText(".row", "synced")
		b.accessible("the list")

		// By autofill: nobody types or presses anything.
		b.press("form[action='/logout'] button")
		b.open("/login")
		b.arrives("/account")
		b.wantText(".lead", "passkey")

		// By the button.
		k.present(false)
		b.press("form[action='/logout'] button")
		b.open("/login")
		b.accessible("the login page")
		b.do(chromedp.Click(loginForm+" button", chromedp.ByQuery))
		k.present(true)
		b.arrives("/account")

		// As the second factor, after a password.
		k.present(false)
		b.press("form[action='/logout'] button")
		b.signIn(mara, maraPassword)
		b.wantPath("/login/passkey")
		b.accessible("the second step")
		k.present(true)
		b.press(loginForm + " button")
		b.wantPath("/account")

		// Another name.
		b.open(keysPage)
		b.signal("signalAllAcceptedCredentials")
		b.do(chromedp.Click("summary", chromedp.ByQuery))
		b.submit(keysPage+"/change", fields{"name": "My <b>phone</b>"})
		b.wantText(".row h3", "My <b>phone</b>")
		b.signal("signalCurrentUserDetails")

		// Gone, here and on the device.
		if k.held() != 1 {
			t.Errorf("the device keeps %d", k.held())
		}
		b.press("form[action='" + keysPage + "/remove'] button")
		b.wantText("[role=status]", "is removed")
		b.signal("signalAllAcceptedCredentials")
		for deadline := time.Now().Add(10 * time.Second); k.held() != 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		}
		if n := k.held(); n != 0 {
			t.Errorf("the device still shows %d", n)
		}
		if got := s.newest(mara).Subject; !strings.Contains(got, "removed") {
			t.Errorf("the newest mail is %q", got)
		}
	})
}

// signOutAndIn makes a session whose proof is the password.
func (b *browser) signOutAndIn() {
	b.t.Helper()
	b.press("form[action='/logout'] button")
	b.signIn(mara, maraPassword)
	b.wantPath("/account")
}

func TestAnOfferIsMadeOnceAndCanBeSkipped(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	k := b.authenticator(false)
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.wantText("main", "Sign in without a password next time?")
	b.accessible("the offer")
	b.open("/account")
	if b.text(addForm) != "" {
		t.Error("it is there again")
	}
	b.signOutAndIn()
	if b.text(addForm) != "" {
		t.Error("it is made at every sign-in")
	}
	b.open(keysPage)
	b.press(addForm + " button")
	b.wantText(".row", "on one device")
	if k.held() != 1 {
		t.Error("the device has none")
	}
}

// What an authenticator says of itself is not believed without its signature,
// and what it does not say counts as no.
func TestForgedAnswersOfAnAuthenticatorAreRefused(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	k := b.authenticator(true)
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.open(keysPage)

	k.verified(false)
	b.do(chromedp.Click(addForm+" button", chromedp.ByQuery))
	b.says(addForm, "Nothing happened: your device closed")
	k.verified(true)
	b.press(addForm + " button")
	b.wantText("[role=status]", "is added")
	b.press("form[action='/logout'] button")

	k.present(false)
	b.open("/login")
	k.verified(false)
	k.present(true)
	b.do(chromedp.Click(loginForm+" button", chromedp.ByQuery))
	b.says(loginForm, "Nothing happened: your device closed")
	k.verified(true)

	for name, bits := range map[string]*webauthn.SetResponseOverrideBitsParams{
		"a forged signature":             webauthn.SetResponseOverrideBits(k.id).WithIsBogusSignature(true),
		"nobody verified":                webauthn.SetResponseOverrideBits(k.id).WithIsBadUV(true),
		"nobody there":                   webauthn.SetResponseOverrideBits(k.id).WithIsBadUP(true),
		"nobody, and a forged signature": webauthn.SetResponseOverrideBits(k.id).WithIsBadUP(true).WithIsBogusSignature(true),
	} {
		k.present(false)
		b.leaveFor("/login")
		b.do(bits)
		b.do(chromedp.Click(loginForm+" button", chromedp.ByQuery))
		k.present(true)
		b.arrives("/login/passkey")
		t.Log(name)
		b.says("main .flash", "wasn’t accepted")
	}
	b.do(webauthn.SetResponseOverrideBits(k.id))
	k.present(false)
	b.leaveFor("/login")
	b.do(chromedp.Click(loginForm+" button", chromedp.ByQuery))
	k.present(true)
	b.arrives("/account")
}

func TestTheLoginPageSaysWhatWorksWithoutPasskeys(t *testing.T) {
	s := startServer(t)
	t.Run("without WebAuthn", func(t *testing.T) {
		b := newBrowser(t, s)
		b.do(chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument("delete window.PublicKeyCredential").Do(ctx)
			return err
		}))
		b.open("/login")
		b.says(loginForm, "This browser knows no passkeys")
		b.accessible("a browser without passkeys")
	})
	t.Run("without JavaScript", func(t *testing.T) {
		b := newBrowser(t, s)
		b.withoutScript()
		b.open("/login")
		b.wantText("main", "Passkeys need JavaScript")
		var seen bool
		b.do(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).checkVisibility()", loginForm), &seen))
		if seen {
			t.Error("there is a button that does nothing")
		}
	})
}

func TestThePagesOfPasskeysCanBeDrawn(t *testing.T) {
	if *passkeyShots == "" {
		t.Skip("for the eyes: -passkeys FOLDER")
	}
	s := startServer(t)
	b := newBrowser(t, s)
	k := b.authenticator(true)
	each := func(name string, open func()) {
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			for size, w := range map[string]int64{"phone": 390, "desktop": 1280} {
				b.size(w, 800)
				open()
				var png []byte
				b.do(chromedp.FullScreenshot(&png, 90))
				if err := os.WriteFile(filepath.Join(*passkeyShots, fmt.Sprintf("%s-%s-%s.png", name, size, scheme)), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	each("login", func() { b.open("/login") })
	b.size(1280, 800)
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	var png []byte
	b.do(chromedp.FullScreenshot(&png, 90))
	_ = os.WriteFile(filepath.Join(*passkeyShots, "offer.png"), png, 0o644)
	b.open(keysPage)
	b.press(addForm + " button")
	each("passkeys", func() { b.open(keysPage) })
	each("security", func() { b.open("/account/security") })
	each("reauth", func() { b.open("/account/reauth") })
	b.size(1280, 800)
	b.open("/account")
	k.present(false)
	b.press("form[action='/logout'] button")
	b.signIn(mara, maraPassword)
	each("second", func() { b.open("/login/passkey") })
}
