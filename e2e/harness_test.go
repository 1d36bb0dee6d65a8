package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestTheBrowserTellsOfBadPages shows that the checks of every other browser
// test can fail: a page with each kind of fault has to be reported.
func TestTheBrowserTellsOfBadPages(t *testing.T) {
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "style-src 'none'")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>x</title><body style="color:red"><h1>x</h1>
<form><label for="nothing">Name</label><input autocomplete="nonsense"><input type="password"></form>
<script>console.error("look here")</script>`)
	}))
	defer bad.Close()
	b := newBrowser(t, &server{t: t, url: bad.URL})
	b.open("/")
	for _, want := range []string{"error", "issue ContentSecurityPolicyIssue", "issue GenericIssue"} {
		if !b.reported(want, 10*time.Second) {
			t.Errorf("the fault %q was not reported, only %q", want, b.problems)
		}
	}
	b.forget()
}

// reported waits until a problem that contains want was reported.
func (b *browser) reported(want string, d time.Duration) bool {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		b.mu.Lock()
		all := strings.Join(b.problems, "\n")
		b.mu.Unlock()
		if strings.Contains(all, want) {
			return true
		}
	}
	return false
}

func (b *browser) forget() {
	b.mu.Lock()
	b.problems = nil
	b.mu.Unlock()
}
