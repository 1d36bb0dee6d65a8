package templates_test

import (
	"strings"
	"testing"

	"gatehouse/static"
	"gatehouse/templates"
)

const (
	loginLimit    = 2816
	pageLimit     = 12 << 10
	sheetLimit    = 13824
	scriptLimit   = 4 << 10
	togetherLimit = 20 << 10
	packedLimit   = 7 << 10
)

func file(t *testing.T, name string) *static.File {
	t.Helper()
	f, ok := static.Default().Named(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return f
}

func TestPagesStayLight(t *testing.T) {
	eachPage(t, func(t *testing.T, s sample, _ string, body []byte) {
		limit := pageLimit
		if s.page == templates.PageLogin && !strings.Contains(s.name, "work") { // under pressure a page may weigh more
			limit = loginLimit
		}
		if s.name == "login-domains" {
			limit += 256 // one more button, only while a move of domain is under way
		}
		if len(body) > limit {
			t.Errorf("%d bytes, at most %d", len(body), limit)
		}
	})
}

// Three requests: the page, one sheet, one script.
func TestSigningInIsThreeLightRequests(t *testing.T) {
	r := templates.New()
	page, err := r.Page(templates.PageLogin, "de", templates.LoginView{Layout: layout("/login"), Passkeys: true})
	if err != nil {
		t.Fatal(err)
	}
	sheet, script := file(t, "css/gate.css"), file(t, "js/gate.js")
	if n := strings.Count(string(page), static.Prefix); n != 3 {
		t.Errorf("%d files, want the sheet, the icon and the script", n)
	}
	if whole := len(page) + len(sheet.Body) + len(script.Body); whole > togetherLimit {
		t.Errorf("%d bytes together, at most %d", whole, togetherLimit)
	}
	if packed := len(page) + len(sheet.Gzip) + len(script.Gzip); packed > packedLimit {
		t.Errorf("%d bytes compressed, at most %d", packed, packedLimit)
	}
}

func TestSheetsAndScriptsStayLight(t *testing.T) {
	for _, f := range static.Default().Files() {
		switch {
		case strings.HasSuffix(f.Name, ".css") && len(f.Body) > sheetLimit:
			t.Errorf("%s: %d bytes, at most %d", f.Name, len(f.Body), sheetLimit)
		case strings.HasSuffix(f.Name, ".js") && len(f.Body) > scriptLimit:
			t.Errorf("%s: %d bytes, at most %d", f.Name, len(f.Body), scriptLimit)
		}
		t.Logf("%s: %d bytes, %d packed", f.Name, len(f.Body), len(f.Gzip))
	}
}
