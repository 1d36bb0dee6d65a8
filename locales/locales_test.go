package locales_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"gatehouse/locales"
)

var parameter = regexp.MustCompile(`\{\{\.([A-Za-z]+)\}\}`)

// read is a file as it stands: each key with its forms.
func read(t *testing.T, name string) map[string]map[string]string {
	t.Helper()
	body, err := locales.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for key, value := range raw {
		var text string
		forms := map[string]string{}
		if json.Unmarshal(value, &text) == nil {
			forms["other"] = text
		} else if err := json.Unmarshal(value, &forms); err != nil {
			t.Fatalf("%s: %s: %v", name, key, err)
		}
		all[key] = forms
	}
	return all
}

func parameters(forms map[string]string) []string {
	found := map[string]bool{}
	for _, text := range forms {
		for _, m := range parameter.FindAllStringSubmatch(text, -1) {
			found[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func TestAllLanguagesHaveTheSameKeysFormsAndParameters(t *testing.T) {
	for _, prefix := range []string{"", "mail."} {
		reference := read(t, prefix+"en.json")
		for _, lang := range locales.Languages[1:] {
			other := read(t, prefix+lang+".json")
			for key, forms := range reference {
				if other[key] == nil {
					t.Errorf("%s%s has no %q", prefix, lang, key)
					continue
				}
				// English and German both have one and other (CLDR).
				if a, b := slices.Sorted(maps.Keys(forms)), slices.Sorted(maps.Keys(other[key])); !slices.Equal(a, b) {
					t.Errorf("%s: %q has the forms %v, English %v", lang, key, b, a)
				}
				if a, b := parameters(forms), parameters(other[key]); !slices.Equal(a, b) {
					t.Errorf("%s: %q has the parameters %v, English %v", lang, key, b, a)
				}
			}
			for key := range other {
				if reference[key] == nil {
					t.Errorf("%s%s has %q, English does not", prefix, lang, key)
				}
			}
		}
	}
}

func TestPluralFormsAreComplete(t *testing.T) {
	for _, lang := range locales.Languages {
		for key, forms := range read(t, lang+".json") {
			if len(forms) == 1 && forms["other"] == "" || len(forms) == 2 && forms["one"] == "" || len(forms) > 2 {
				t.Errorf("%s: %q has the forms %v", lang, key, slices.Collect(maps.Keys(forms)))
			}
		}
	}
}

// Words that the product does not use, and marks that are not typography or
// would have to be escaped.
var (
	avoided = regexp.MustCompile(`(?i)\b(sorry|oops|invalid|credentials|authenticate|authentication|MFA|leider|hoppla)\b|!|['"<>&]|\.\.\.|  `)
	polite  = regexp.MustCompile(`(?i)\b(please|bitte)\b`)
)

func TestTheWordsAreOurs(t *testing.T) {
	for _, lang := range locales.Languages {
		for key, forms := range read(t, lang+".json") {
			for _, text := range forms {
				if found := avoided.FindString(text); found != "" {
					t.Errorf("%s: %q says %q", lang, key, found)
				}
				// "Bitte" is also a verb: ask.
				if found := polite.FindString(text); found != "" && key != "error.busy.title" && !strings.Contains(text, "itte die Leute") {
					t.Errorf("%s: %q says %q", lang, key, found)
				}
				if strings.TrimSpace(text) != text {
					t.Errorf("%s: %q has spaces around it", lang, key)
				}
			}
		}
	}
}

func TestSentencesAgreeWithTheirNumber(t *testing.T) {
	for _, c := range []struct {
		lang, key string
		params    map[string]any
		want      string
	}{
		{"en", "account.sessions", map[string]any{"Count": 1}, "Signed in on 1 device"},
		{"en", "account.sessions", map[string]any{"Count": 3}, "Signed in on 3 devices"},
		{"de", "account.sessions", map[string]any{"Count": 1}, "Auf 1 Gerät angemeldet"},
		{"de", "account.sessions", map[string]any{"Count": 0}, "Auf 0 Geräten angemeldet"},
		{"en", "error.too_many_attempts", map[string]any{"At": "10:24", "Minutes": 1, "Seconds": 42}, "Too many tries for now. You can try again at 10:24\u00a0UTC, in 1\u00a0minute."},
		{"de", "error.too_many_attempts", map[string]any{"At": "10:24", "Minutes": 4}, "Zu viele Versuche für jetzt. Um 10:24\u00a0UTC geht es weiter, in 4\u00a0Minuten."},
		{"en", "field.too_short", map[string]any{"Min": 8, "Missing": 1}, "1 character more would do. Four or five plain words are easiest."},
		{"en", "login.title", nil, "Sign in"},
		{"fr", "login.title", nil, "Sign in"},
		{"en", "no.such.key", nil, ""},
	} {
		if got := locales.Text(c.lang, c.key, c.params); got != c.want {
			t.Errorf("%s %s is %q, want %q", c.lang, c.key, got, c.want)
		}
	}
}

func TestBrokenFilesAreRefused(t *testing.T) {
	good := &fstest.MapFile{Data: []byte(`{"a": "b"}`)}
	for name, files := range map[string]fstest.MapFS{
		"a language is missing":    {"en.json": good},
		"a file is no JSON":        {"en.json": good, "de.json": {Data: []byte(`{`)}},
		"a key stands there twice": {"en.json": good, "mail.en.json": good, "de.json": good},
	} {
		if _, err := locales.Parse(files); err == nil {
			t.Errorf("%s, and nobody says so", name)
		}
	}
}
