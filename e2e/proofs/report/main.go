// Command report makes the table docs/proofs/RESULTS.md of what the long forms
// of the proofs found. What README.md beside it promises and nobody found has a
// row too, and so has every test that failed or was skipped: a proof that
// silently did not run proves nothing. It ends with 1 when not everything holds.
//
//	go run ./proofs/report FOLDER RESULTS.md
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"gatehouse/internal/testkit"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: report FOLDER RESULTS.md")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

var errMissed = errors.New("not everything holds, see the rows in bold")

func run(folder, to string) error {
	list, err := findings(folder)
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(filepath.Join(filepath.Dir(to), "README.md"))
	if err != nil {
		return err
	}
	bad, err := troubles(folder)
	if err != nil {
		return err
	}
	missing := absent(promised(string(readme)), list)
	text := header(list) + table(list, missing) + troubleList(bad)
	if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
		return err
	}
	if len(missing)+len(bad) > 0 || slices.ContainsFunc(list, func(f testkit.Finding) bool { return !f.Holds }) {
		return errMissed
	}
	return nil
}

func header(list []testkit.Finding) string {
	text := "# What the proofs found\n\nMade by `make prove`; [README.md](README.md) tells what each letter shows and what it does not.\n\n"
	if len(list) == 0 {
		return text + "Nothing was found: no proof came to its end. " + machine() + ".\n\n"
	}
	first, last := list[0].At, list[0].At
	for _, f := range list {
		if f.At.Before(first) {
			first = f.At
		}
		if f.At.After(last) {
			last = f.At
		}
	}
	// The first finding is written when its proof is over; nobody notes the start.
	return text + fmt.Sprintf("Findings of %s to %s UTC. %s.\n\n", first.Format("2006-01-02 15:04"), last.Format("2006-01-02 15:04"), machine())
}

func table(list []testkit.Finding, missing []string) string {
	var b strings.Builder
	b.WriteString("| proof | case | tried | found | seed | |\n|---|---|---|---|---|---|\n")
	for _, f := range list {
		verdict, seed := "holds", ""
		if !f.Holds {
			verdict = "**missed**"
		}
		if f.Seed != 0 {
			seed = fmt.Sprint(f.Seed)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.Proof, cell(f.Case), cell(f.Tried), cell(f.Found), seed, verdict)
	}
	for _, name := range missing {
		fmt.Fprintf(&b, "| %s | | | did not run, or not to its end | | **missing** |\n", name)
	}
	return b.String()
}

// cell keeps what was found in one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\r", "", "\n", " ").Replace(text)
}

var (
	section = regexp.MustCompile(`^## ([A-Z])\. `)
	item    = regexp.MustCompile(`^(\d+)\. `)
)

// promised lists the proofs of README.md: the numbered ones of each section, or
// the section itself when it has no numbers.
func promised(readme string) (names []string) {
	letter, numbered := "", false
	end := func() {
		if letter != "" && !numbered {
			names = append(names, letter)
		}
	}
	for line := range strings.SplitSeq(readme, "\n") {
		if strings.HasPrefix(line, "## ") {
			end()
			letter, numbered = "", false
			if m := section.FindStringSubmatch(line); m != nil {
				letter = m[1]
			}
		} else if m := item.FindStringSubmatch(line); m != nil && letter != "" {
			names, numbered = append(names, letter+m[1]), true
		}
	}
	end()
	return names
}

// absent are the promised proofs of which nothing was found.
func absent(names []string, list []testkit.Finding) (missing []string) {
	for _, name := range names {
		if !slices.ContainsFunc(list, func(f testkit.Finding) bool {
			return f.Proof == name || len(name) == 1 && strings.HasPrefix(f.Proof, name)
		}) {
			missing = append(missing, name)
		}
	}
	return missing
}

// trouble is a line of go test about a test that failed or was skipped, about a
// package that did, or about a process that ended in the middle.
var trouble = regexp.MustCompile(`^( *--- (?:FAIL|SKIP): \S.*|FAIL\t.*|panic: .*|fatal error: .*)$`)

// troubles reads what go test -v printed; without that nobody knows.
func troubles(folder string) (lines []string, err error) {
	logs, err := filepath.Glob(filepath.Join(folder, "*.log"))
	if err != nil {
		return nil, err
	}
	if len(logs) == 0 {
		return []string{"what the tests printed is not in the folder"}, nil
	}
	for _, log := range logs {
		content, err := os.ReadFile(log)
		if err != nil {
			return nil, err
		}
		for line := range strings.SplitSeq(string(content), "\n") {
			if m := trouble.FindStringSubmatch(line); m != nil {
				lines = append(lines, strings.TrimPrefix(strings.TrimSpace(strings.ReplaceAll(m[1], "\t", " ")), "--- "))
			}
		}
	}
	return lines, nil
}

func troubleList(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n**Tests that failed or were skipped:**\n\n")
	for _, line := range lines {
		fmt.Fprintf(&b, "- `%s`\n", strings.ReplaceAll(line, "`", "'"))
	}
	return b.String()
}

func findings(folder string) (list []testkit.Finding, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var f testkit.Finding
		if err := json.Unmarshal(content, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b testkit.Finding) int { return cmp.Or(cmp.Compare(a.Proof, b.Proof), a.At.Compare(b.At)) })
	return list, nil
}

// machine says what the proofs ran on; never its name or a path.
func machine() string {
	database := "no MariaDB"
	for _, name := range []string{"mariadbd", "/usr/sbin/mariadbd"} {
		if out, err := exec.Command(name, "--no-defaults", "--version").Output(); err == nil {
			database = "MariaDB " + regexp.MustCompile(`\d+\.\d+\.\d+`).FindString(string(out))
			break
		}
	}
	return fmt.Sprintf("commit %s, %d processors (%s), %s of memory, %s, %s", commit(), runtime.NumCPU(),
		value("/proc/cpuinfo", "model name"), memory(), strings.Replace(runtime.Version(), "go", "Go ", 1), database)
}

// commit is what was proven, and whether anything was changed since it.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func memory() string {
	var kilobytes int
	if _, err := fmt.Sscan(strings.TrimSuffix(value("/proc/meminfo", "MemTotal"), " kB"), &kilobytes); err != nil {
		return "unknown size"
	}
	return fmt.Sprintf("%d GB", (kilobytes+512<<10)>>20)
}

// value is the first value of a name in a file of "name : value" lines.
func value(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if key, v, ok := strings.Cut(in.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}
