package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// appCode is what a code app shows for a secret at a moment. It is oathtool's: a
// program that shares nothing with the server (internal/testkit/install.sh).
func appCode(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	out, err := exec.Command("oathtool", "--totp", "--base32", "--now=@"+strconv.FormatInt(at.Unix(), 10), secret).Output()
	if err != nil {
		t.Fatalf("the codes of the tests are oathtool's: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// appWithin is one person's code app: each call is the code of another step, so
// that the server never sees one twice and nothing has to wait.
type appWithin struct {
	t      *testing.T
	secret string
	steps  int
}

// code is that of the step before this one, then of this one, then of the next:
// a server takes each of them once, and none that is older than one it has seen.
func (a *appWithin) code() string {
	a.t.Helper()
	shift := time.Duration(a.steps-1) * 30 * time.Second
	if a.steps++; a.steps > 3 {
		a.t.Fatal("a server takes the codes of three steps at one moment")
	}
	return appCode(a.t, a.secret, time.Now().Add(shift))
}

func (b *browser) seed(t *testing.T) *appWithin {
	t.Helper()
	return &appWithin{t: t, secret: strings.ReplaceAll(b.text("code.key"), " ", "")}
}

// recoveryCodes are the ones on the page.
func (b *browser) recoveryCodes() []string {
	b.t.Helper()
	list := strings.Fields(b.text("ol.codes"))
	if len(list) != 10 {
		b.t.Fatalf("%d recovery codes: %v", len(list), list)
	}
	return list
}

func TestACodeAppWorksWithoutJavaScript(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, env...)
		b := newBrowser(t, s)
		b.withoutScript()
		b.signUp(mara, maraPassword)
		b.signIn(mara, maraPassword)
		b.open("/account/security")
		b.press("a[href='/account/security/totp']")
		b.submit("/account/security/totp", nil)
		app := b.seed(t)
		b.submit("/account/security/totp", fields{"code": app.code()})
		codes := b.recoveryCodes()
		b.press("form[action='/logout'] button")

		b.signIn(mara, maraPassword)
		b.wantPath("/login/totp")
		b.submit("/login/totp", fields{"code": "12345"})
		b.wantText("form", "row of digits")
		b.submit("/login/totp", fields{"code": app.code()})
		b.wantPath("/account")
		b.press("form[action='/logout'] button")

		b.signIn(mara, maraPassword)
		b.open("/login/recovery")
		b.submit("/login/recovery", fields{"code": codes[6]})
		b.wantPath("/account")
		b.open("/account/security")
		b.wantText("main", "9 left")
		b.press("form[action='/account/security/totp/remove'] button")
		b.wantText("[role=status]", "is off")
	})
}

func TestThePagesOfFactorsAreAccessible(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	shoot := func(name string) {
		b.t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			// Without motion the colours are there at once: these pages are answers
			// to a form and cannot be opened anew.
			b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			}))
			for _, width := range []int64{320, 390, 1280} {
				b.size(width, 800)
				b.accessible(fmt.Sprintf("%s %s %d", name, scheme, width))
				if *screens == "" || width == 320 {
					continue
				}
				var png []byte
				b.do(chromedp.FullScreenshot(&png, 100))
				if err := os.WriteFile(filepath.Join(*screens, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.open("/account/security")
	shoot("security")
	b.open("/account/security/totp")
	shoot("totp")
	b.submit("/account/security/totp", nil)
	shoot("totp-seed")
	app := b.seed(t)
	b.submit("/account/security/totp", fields{"code": app.code()})
	shoot("recovery-codes")
	b.open("/account/security")
	shoot("security-app")
	b.open("/account/reauth")
	shoot("reauth-code")
	b.open("/account")
	b.press("form[action='/logout'] button")
	b.signIn(mara, maraPassword)
	b.do(chromedp.Click("details.ways summary", chromedp.ByQuery))
	shoot("login-totp")
	b.submit("/login/totp", fields{"code": "000000"})
	shoot("login-totp-wrong")
	b.open("/login/recovery")
	shoot("login-recovery")

	asks := startServer(t, "MFA=required")
	b = newBrowser(t, asks)
	b.signUp(mara, maraPassword)
	b.signIn(mara, maraPassword)
	b.wantPath("/login/enrol")
	shoot("login-enrol")
	b.press("form[action='/login/enrol']:not([data-begin]) button")
	shoot("login-enrol-seed")
	b.submit("/login/enrol", fields{"code": b.seed(t).code()})
	b.recoveryCodes()
}
