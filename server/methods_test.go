package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// methodName is how a method says its stem.
var methodName = regexp.MustCompile(`func \(\*?(?:\w+ )?\*?\w+\) Name\(\) string\s+\{ return "(\w+)" \}`)

// onlyFirst is a method that no page offers as another way.
var onlyFirst = regexp.MustCompile(`Uses\(\) Use\s+\{ return First \}`)

// missing are the pieces that a method lacks in a tree: one stem names its file,
// its page, its words, its document and its line in server/wire.go.
func missing(tree string) (list []string, stems []string) {
	lack := func(stem, what string) { list = append(list, stem+": "+what) }
	files, _ := filepath.Glob(filepath.Join(tree, "signin/*.go"))
	texts := map[string]string{}
	text := func(path string) string {
		b, _ := os.ReadFile(filepath.Join(tree, path))
		return string(b)
	}
	for _, lang := range []string{"en", "de"} {
		texts[lang] = text("locales/" + lang + ".json")
	}
	wire := text("server/wire.go")
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, _ := os.ReadFile(file)
		for _, m := range methodName.FindAllStringSubmatch(string(b), -1) {
			stem := m[1]
			stems = append(stems, stem)
			if filepath.Base(file) != stem+".go" {
				lack(stem, "signin/"+stem+".go")
			}
			page := "templates/pages/login_" + stem + ".html"
			if stem == "password" { // the login page itself
				page = "templates/pages/login.html"
			} else if !regexp.MustCompile(`(?i)(signin\.New|r\.)` + stem + `s?\b`).MatchString(wire) {
				lack(stem, "a line in server/wire.go")
			}
			if text(page) == "" {
				lack(stem, page)
			}
			if text("docs/methods/"+stem+".md") == "" {
				lack(stem, "docs/methods/"+stem+".md")
			}
			if !onlyFirst.Match(b) {
				for lang, words := range texts {
					var known map[string]any
					_ = json.Unmarshal([]byte(words), &known)
					for _, key := range []string{"way." + stem, "way." + stem + ".hint"} {
						if known[key] == nil {
							lack(stem, key+" in locales/"+lang+".json")
						}
					}
				}
			}
		}
	}
	return list, stems
}

// A feature is found by one grep, and a method that lacks a piece is not landed.
func TestEveryMethodHasItsPieces(t *testing.T) {
	list, stems := missing(root)
	for _, what := range list {
		t.Errorf("missing for %s", what)
	}
	slices.Sort(stems)
	if got := strings.Join(stems, " "); got != "emailcode passkey password recovery totp" {
		t.Errorf("the methods are %s: a new one belongs into this list and into docs/methods/README.md", got)
	}
}

// The check itself: each piece that is taken away is missed.
func TestAMethodThatLacksAPieceIsFound(t *testing.T) {
	pieces := map[string]string{
		"signin/toy.go":                  "package signin\n\nfunc (toy) Name() string { return \"toy\" }\n",
		"templates/pages/login_toy.html": "x", "docs/methods/toy.md": "x",
		"server/wire.go":  "signin.NewToy(),",
		"locales/en.json": `{"way.toy": "x", "way.toy.hint": "x"}`, "locales/de.json": `{"way.toy": "x", "way.toy.hint": "x"}`,
	}
	for _, without := range []string{"", "templates/pages/login_toy.html", "docs/methods/toy.md", "server/wire.go", "locales/en.json", "locales/de.json"} {
		tree := t.TempDir()
		for path, content := range pieces {
			if path == without {
				continue
			}
			at := filepath.Join(tree, path)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		list, _ := missing(tree)
		if found := len(list) > 0; found != (without != "") || found && !strings.Contains(fmt.Sprint(list), without) {
			t.Errorf("without %q it misses %v", without, list)
		}
	}
}
