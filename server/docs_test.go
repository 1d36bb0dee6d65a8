package server_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

// claims are the documents that name tests and files as their proof.
var claims = []string{"docs/threat-model.md", "docs/spec-map.md"}

// TestTheDocumentsNameTestsAndFilesThatExist keeps the proofs true: a test that
// is renamed or deleted takes its row of the table along.
func TestTheDocumentsNameTestsAndFilesThatExist(t *testing.T) {
	known := testNames(t)
	for _, doc := range claims {
		text := read(t, doc)
		named := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(text, -1)
		for _, name := range named {
			if !known[name] {
				t.Errorf("%s names %s, and there is no such test", doc, name)
			}
		}
		if len(named) == 0 {
			t.Errorf("%s names no test", doc)
		}
		for _, m := range regexp.MustCompile("`([a-z][a-z_/0-9]*/[a-z_0-9./]*)`").FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, and there is no such place", doc, m[1])
			}
		}
	}
}

// TestEveryRuleHasATestAndNoNumberIsMissing reads the table of rules: each row
// says what is attacked, what stops it and which test fails without that; a
// letter behind the number is a part of the rule.
func TestEveryRuleHasATestAndNoNumberIsMissing(t *testing.T) {
	row := regexp.MustCompile(`^\| (\d+)[a-z]? \|`)
	var numbers []string
	for line := range strings.SplitSeq(read(t, "docs/threat-model.md"), "\n") {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		numbers = append(numbers, m[1])
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) != 4 || !strings.Contains(cells[3], "Test") {
			t.Errorf("row %s has %d cells and the proof %q", m[1], len(cells), cells[len(cells)-1])
		}
	}
	want := strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26")
	if numbers = slices.Compact(numbers); !slices.Equal(numbers, want) {
		t.Errorf("the rows are %v", numbers)
	}
}

// TestOnlyKnownPlacesCallOut finds whoever opens a connection: key set and feed of
// verify, the SMTP server and the database, whose addresses an operator chose, the health check of
// this very server, and safehttp. Anything else belongs behind its guard against
// internal addresses.
func TestOnlyKnownPlacesCallOut(t *testing.T) {
	call := regexp.MustCompile(`http\.(Client\{|DefaultClient|DefaultTransport|Transport\{|Get\(|Head\(|Post\(|PostForm\()|(net|tls)\.Dial`)
	var found []string
	eachSource(t, func(name string, src []byte) {
		if call.Match(src) && !strings.HasPrefix(name, "internal/testserver/") {
			found = append(found, name)
		}
	})
	slices.Sort(found)
	if want := []string{"cli/healthcheck.go", "internal/database/mysql_watch.go", "internal/safehttp/safehttp.go", "mail/smtp.go", "verify/follower_http.go", "verify/remote.go"}; !slices.Equal(found, want) {
		t.Errorf("%v call out, want %v", found, want)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names, declared := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		b, err := os.ReadFile(file)
		for _, m := range declared.FindAllSubmatch(b, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
