package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// pressed is a server on which strangers have failed so often that others are
// asked for work.
func pressed(t *testing.T) *server {
	s := startServer(t, "PROOF_OF_WORK_FROM=20/24h")
	s.register(mara, maraPassword)
	for i := range 20 {
		s.want(401, "POST", "/api/v1/login", "", map[string]string{"username": fmt.Sprintf("nobody%d", i), "password": "a wrong password"})
	}
	return s
}

// The page works by itself, and holds a form that is sent meanwhile until it has
// an answer.
func TestUnderPressureABrowserWorksAndThenSignsIn(t *testing.T) {
	s := pressed(t)
	b := newBrowser(t, s)
	b.size(390, 800)
	b.scheme("dark")
	b.open("/login")
	b.says(".work p[role=status]", "That is done. You can go on.")
	b.accessible("the page after its work")
	var answer string
	b.do(chromedp.Value(".work input", &answer, chromedp.ByQuery))
	if strings.Count(answer, ".") != 5 {
		t.Fatalf("the answer is %q", answer)
	}
	b.picture("work-done")
	// Wrong once, so that the next page has work of its own, which is still under
	// way when the form is sent.
	b.submit("/login", fields{"username": mara, "password": "a wrong password"})
	b.wantText("main", "don’t match")
	b.picture("work-again")
	b.submit("/login", fields{"username": mara, "password": maraPassword})
	b.wantPath("/account")
	t.Logf("a worker of this machine solves 2^18 in about %.2f s", b.paceOfWork())
}

// paceOfWork is how many seconds 2^18 hashes take in the script of this browser.
func (b *browser) paceOfWork() (seconds float64) {
	b.t.Helper()
	source, err := os.ReadFile("../static/js/work.js")
	if err != nil {
		b.t.Fatal(err)
	}
	solve, _, _ := strings.Cut(string(source), "if (!inPage) onmessage")
	b.do(chromedp.Evaluate("(() => {"+solve+`
globalThis.postMessage = () => {};
let n = 0;
const at = performance.now();
for (let i = 0; i < 8; i++) n += +solve("gh1.14.1795455805.AAAAAAAAAAAAAAAAAAAAA" + i + ".AAAAAAAAAAAAAAAAAAAAAA", 14).split(".")[5] + 1;
return (performance.now() - at) / 1000 / n * 2 ** 18;
})()`, &seconds))
	return seconds
}

func TestUnderPressureAFormWithoutScriptIsToldToWait(t *testing.T) {
	s := pressed(t)
	b := newBrowser(t, s)
	b.withoutScript()
	b.open("/login")
	b.wantText(".work", "Without JavaScript you wait instead")
	b.submit("/login", fields{"username": mara, "password": maraPassword})
	b.wantPath("/login")
	b.wantText(".flash", "Wait ")
	b.size(390, 800)
	b.picture("work-wait")
}

// picture keeps what the page looks like, when somebody wants to see it.
func (b *browser) picture(name string) {
	b.t.Helper()
	if *screens == "" {
		return
	}
	var png []byte
	b.do(chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(*screens, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
