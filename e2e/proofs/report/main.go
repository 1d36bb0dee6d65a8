// Command report makes the table docs/proofs/RESULTS.md of what the long forms
// of the proofs found.
//
//	go run ./proofs/report FOLDER RESULTS.md
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
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

func run(folder, to string) error {
	list, err := findings(folder)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%s holds no findings", folder)
	}
	var b strings.Builder
	first, last := list[0].At, list[0].At
	for _, f := range list {
		if f.At.Before(first) {
			first = f.At
		}
		if f.At.After(last) {
			last = f.At
		}
	}
	fmt.Fprintf(&b, "# What the proofs found\n\nMade by `make prove`; [README.md](README.md) tells what each letter shows and what it does not.\n\n")
	fmt.Fprintf(&b, "Run on %s, %s to %s UTC. %s.\n\n", last.Format("2006-01-02"), first.Format("15:04"), last.Format("15:04"), machine())
	b.WriteString("| proof | case | tried | found | seed | |\n|---|---|---|---|---|---|\n")
	for _, f := range list {
		verdict, seed := "holds", ""
		if !f.Holds {
			verdict = "**FAILS**"
		}
		if f.Seed != 0 {
			seed = fmt.Sprint(f.Seed)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.Proof, f.Case, f.Tried, f.Found, seed, verdict)
	}
	return os.WriteFile(to, []byte(b.String()), 0o644)
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
	return fmt.Sprintf("%d processors (%s), %s of memory, %s, %s", runtime.NumCPU(),
		value("/proc/cpuinfo", "model name"), memory(), strings.Replace(runtime.Version(), "go", "Go ", 1), database)
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
