package templates

import (
	"strings"
	"testing"
	"testing/fstest"

	"gatehouse/locales"
	"gatehouse/static"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// draw builds a tree with one page x and draws it in German.
func draw(t *testing.T, tree fstest.MapFS, view any) (string, error) {
	t.Helper()
	trees, err := readTrees(tree)
	if err != nil {
		return "", err
	}
	set, err := build(trees, "de", locales.Default(), static.Default())
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = set.ExecuteTemplate(&out, "x", view)
	return out.String(), err
}

func TestWordsAndPathsArePutInAtStart(t *testing.T) {
	got, err := draw(t, fstest.MapFS{"pages/x.html": file(
		`<p lang="{{lang}}">{{if .}}{{t "login.title"}}{{else}}{{t "reset.title"}}{{end}}{{range .}}<img src="{{asset "images/mark.svg"}}">{{end}}</p>`,
	)}, []int{1})
	if want := `<p lang="de">Anmelden<img src="` + static.Asset("images/mark.svg") + `"></p>`; err != nil || got != want {
		t.Errorf("%v: %s, want %s", err, got, want)
	}
}

func TestIndentationIsNotSent(t *testing.T) {
	got, err := draw(t, fstest.MapFS{"pages/x.html": file("<p>\n\n\t  a\n  {{if .}}\n  b{{end}}\n</p>")}, true)
	if want := "<p>\na\n\nb\n</p>"; err != nil || got != want {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
}

func TestMistakesInATemplateStopTheStart(t *testing.T) {
	for name, tree := range map[string]fstest.MapFS{
		"no such key":          {"pages/x.html": file(`{{t "no.such.key"}}`)},
		"a key with a value":   {"pages/x.html": file(`{{t "login.lead_operator"}}`)},
		"no such function":     {"pages/x.html": file(`{{shout .}}`)},
		"an action that stays": {"pages/x.html": file(`{{if .}}`)},
		"one name twice":       {"pages/x.html": file(`{{define "y"}}a{{end}}`), "partials/y.html": file(`{{define "y"}}b{{end}}`)},
	} {
		if _, err := draw(t, tree, nil); err == nil {
			t.Errorf("%s, and nobody says so", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("no such file, and nobody says so")
		}
	}()
	_, _ = draw(t, fstest.MapFS{"pages/x.html": file(`{{asset "css/none.css"}}`)}, nil)
}
