package templates_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/locales"
)

// families are keys that are put together at run time.
var families = []string{
	"alg.", "claim.", "error.", "field.", "flash.", "form.put_right.", "header.", "health.", "mail.", "method.", "month.", "purpose.", "span.", "way.",
}

// inCode are keys that Go code of this package names.
var inCode = []string{
	"language.name", "list.and", "time.today", "time.yesterday", "time.date", "time.date_year", "time.now", "time.minutes_ago",
	"device.program", "device.program_named", "device.browser_on",
}

var keyInTemplate = regexp.MustCompile(`[{(]th? "([^"]+)"`)

func keysOfTemplates(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	names, err := filepath.Glob("*/*.html")
	if err != nil || len(names) < 15 {
		t.Fatalf("%d templates, %v", len(names), err)
	}
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range keyInTemplate.FindAllSubmatch(source, -1) {
			used[string(found[1])] = true
		}
	}
	return used
}

func TestTemplatesUseEveryKeyAndNoOther(t *testing.T) {
	used, known := keysOfTemplates(t), locales.Default().Keys("en")
	for key := range used {
		if !slices.Contains(known, key) {
			t.Errorf("there is no key %q", key)
		}
	}
	for _, key := range known {
		inFamily := slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(key, f) })
		if !used[key] && !inFamily && !slices.Contains(inCode, key) {
			t.Errorf("nothing uses the key %q", key)
		}
	}
}

// sources are where Go code names the reason of an error, by what it belongs to.
var sources = map[string]*regexp.Regexp{
	"error.": regexp.MustCompile(`(?:apperr\.(?:New|Wrap)\([^,"()]+, |apperr\.Throttle\(|malformed\()"([a-z_]+)"`),
	"field.": regexp.MustCompile(`(?:apperr\.InvalidField\("[a-z_]+", |apperr\.Field\{Reason: |\bfield\()"([a-z_]+)"`),
}

// A reason without words would reach a person as "something broke".
func TestEveryReasonInTheProductHasWords(t *testing.T) {
	found := map[string]int{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for family, pattern := range sources {
			for _, m := range pattern.FindAllSubmatch(source, -1) {
				found[family]++
				if key := family + string(m[1]); !locales.Default().Has("en", key) {
					t.Errorf("%s: there is no key %q", path, key)
				}
			}
		}
		return nil
	})
	if err != nil || found["error."] < 40 || found["field."] < 10 {
		t.Errorf("found %v, %v: the patterns no longer fit the code", found, err)
	}
}

// The codes of the contract, whether or not any code makes them today.
func TestEveryCodeOfTheContractHasWords(t *testing.T) {
	for _, reason := range strings.Fields(`invalid_credentials too_many_attempts busy unavailable validation_failed link_ended
		code_wrong conflict username_taken step_up_required not_found method_not_allowed too_large media_type
		unsupported_media_type malformed misdirected misdirected_request cross_origin invalid_token invalid_grant
		refresh_reused email_not_verified signup_closed mail_not_configured forbidden internal server_error setup_done
		session_ended invalid_request expired`) {
		for _, lang := range locales.Languages {
			if locales.Text(lang, "error."+reason, map[string]any{"At": "10:24", "Minutes": 4}) == "" {
				t.Errorf("%s has no words for %s", lang, reason)
			}
		}
	}
	for _, status := range strings.Fields("400 401 403 404 405 409 410 413 415 421 422 429 500 503") {
		if !locales.Default().Has("en", "error.status."+status+".title") {
			t.Errorf("there is no title for %s", status)
		}
	}
}
