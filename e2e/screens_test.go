package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var screens = flag.String("screens", "", "a folder to draw the pages of docs/images into")

// TestThePagesOfTheDocumentationCanBeDrawn opens the pages that docs/images
// shows; with -screens it writes the pictures anew.
func TestThePagesOfTheDocumentationCanBeDrawn(t *testing.T) {
	s := startServer(t)
	b := newBrowser(t, s)
	shoot := func(name string) {
		var png []byte
		b.do(chromedp.FullScreenshot(&png, 100))
		if *screens == "" {
			return
		}
		if err := os.WriteFile(filepath.Join(*screens, name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	each := func(name string, open func()) {
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			for size, w := range map[string]int64{"phone": 390, "desktop": 1280} {
				b.size(w, 800)
				open()
				shoot(fmt.Sprintf("%s-%s-%s", name, size, scheme))
			}
		}
	}
	each("login", func() { b.open("/login") })
	each("register", func() { b.open("/register") })
	b.size(1280, 800)
	b.signUp(mara, maraPassword)
	s.login(mara, maraPassword) // a program, beside the browser
	b.signIn(mara, maraPassword)
	b.open("/account/profile")
	b.submit("/account/profile", fields{"name": "Mara Lindqvist", "username": "mara"})
	each("account", func() { b.open("/account") })
	each("sessions", func() { b.open("/account/sessions") })
	each("token", func() {
		b.open("/account/tokens")
		b.press("main button[name='show']")
	})
}
