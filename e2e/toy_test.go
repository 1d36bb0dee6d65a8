package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// toyWords are what the toy says, in every language.
var toyWords = map[string]string{
	"login_toy.title": "Your name, backwards", "login_toy.code": "Backwards", "way.toy": "Your name", "way.toy.hint": "Backwards",
	"error.toy_wrong": "That isn’t your name backwards.", "method.toy": "a toy",
}

// withToy lays a fifth method over the tree and builds the product with it. What
// it touches is what docs/architecture.md and the recipe of a method name: one
// file in signin, one page, one line in server/wire.go, and words.
func withToy(t *testing.T) (program string, touched []string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir, replace := t.TempDir(), map[string]string{}
	lay := func(path string, content []byte) {
		at := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(at, content, 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, path)], touched = at, append(touched, path)
	}
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	lay("signin/toy.go", read("testdata/toy/toy.go.txt"))
	lay("templates/pages/login_toy.html", read("testdata/toy/login_toy.html"))
	const line = "		signin.NewTOTP(r.Factors, r.Clock),\n"
	wire := string(read("../server/wire.go"))
	if !strings.Contains(wire, line) {
		t.Fatal("server/wire.go has another list of methods")
	}
	lay("server/wire.go", []byte(strings.Replace(wire, line, line+"		signin.NewToy(),\n", 1)))
	for _, lang := range []string{"en", "de"} {
		var words map[string]any
		if err := json.Unmarshal(read("../locales/"+lang+".json"), &words); err != nil {
			t.Fatal(err)
		}
		for key, text := range toyWords {
			words[key] = text
		}
		b, err := json.Marshal(words)
		if err != nil {
			t.Fatal(err)
		}
		lay("locales/"+lang+".json", b)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "gatehouse")
	cmd := exec.Command("go", "build", "-trimpath", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program, touched
}

// Adding a method touches no more files than the recipe says, and then it is
// asked for by page and by JSON, counted, refused and taken like the others.
func TestAToyMethodIsFourPiecesAndWorksByPageAndJSON(t *testing.T) {
	program, touched := withToy(t)
	if got := strings.Join(touched, " "); got != "signin/toy.go templates/pages/login_toy.html server/wire.go locales/en.json locales/de.json" {
		t.Errorf("it touched %s", got)
	}
	s := newServer(t)
	s.program = program
	s.start()
	t.Cleanup(s.stop)
	if out, err := s.command(maraPassword+"\n", "user", "add", mara, "--username", "mara", "--password-stdin"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	v := s.want(http.StatusOK, "POST", "/api/v1/login", "", map[string]any{"username": "mara", "password": maraPassword})
	if next, _ := json.Marshal(v["next"]); string(next) != `["toy"]` {
		t.Fatalf("what is wanted next is %s", next)
	}
	refused := s.want(http.StatusUnauthorized, "POST", "/api/v1/login/toy", "", map[string]any{"attempt": v["attempt"], "code": "mara"})
	if refused["reason"] != "toy_wrong" || refused["error_description"] != toyWords["error.toy_wrong"] {
		t.Errorf("refused with %v", refused)
	}
	done := s.want(http.StatusOK, "POST", "/api/v1/login/toy", "", map[string]any{"attempt": v["attempt"], "code": "aram"})
	me := s.want(http.StatusOK, "GET", "/api/v1/me", done["access_token"].(string), nil)
	if me["username"] != "mara" {
		t.Errorf("it opened %v", me)
	}
	s.want(http.StatusUnauthorized, "POST", "/api/v1/login/toy", "", map[string]any{"attempt": v["attempt"], "code": "aram"})

	b := newBrowser(t, s)
	b.withoutScript()
	b.signIn("mara", maraPassword)
	b.wantPath("/login/toy")
	b.wantText("h1", toyWords["login_toy.title"])
	b.submit("/login/toy", fields{"code": "mara"})
	b.wantText("main", toyWords["error.toy_wrong"])
	b.submit("/login/toy", fields{"code": "aram"})
	b.wantPath("/account")
	b.wantText(".lead", "a toy")
}
