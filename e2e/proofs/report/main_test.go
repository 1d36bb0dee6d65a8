package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

const readme = "# Proofs\n\n## How to run\n\n1. not a proof\n\n## A. One\n\n## K. Two\n\n1. **First.**\n5. **Fifth.**\n\n## E. Three\n\n## Tools\n\n1. no proof\n"

// report runs the command on a folder of findings and returns the table.
func report(t *testing.T, log string, list ...testkit.Finding) (string, error) {
	t.Helper()
	folder, docs := t.TempDir(), t.TempDir()
	for i, f := range list {
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, string(rune('a'+i))+".json"), string(b))
	}
	write(t, filepath.Join(docs, "README.md"), readme)
	if log != "" {
		write(t, filepath.Join(folder, "rooms.log"), log)
	}
	to := filepath.Join(docs, "RESULTS.md")
	err := run(folder, to)
	b, failed := os.ReadFile(to)
	if failed != nil {
		t.Fatal(failed)
	}
	return string(b), err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func found(proof string, holds bool) testkit.Finding {
	return testkit.Finding{Proof: proof, Case: "a | b\nc", Holds: holds}
}

func TestTheReportNamesWhatMissedWhatIsMissingAndWhatFailed(t *testing.T) {
	const ok = "=== RUN   TestA\n--- PASS: TestA (0.00s)\nok  \tgatehouse/tokens\t1s\n"
	all := []testkit.Finding{found("A", true), found("K1", true), found("K5", true), found("E1", true)}
	if text, err := report(t, ok, all...); err != nil || strings.Contains(text, "**") || !strings.Contains(text, `a \| b c`) {
		t.Errorf("all hold: %v\n%s", err, text)
	}
	for name, c := range map[string]struct {
		log  string
		list []testkit.Finding
		want string
	}{
		"a miss":           {ok, append(slices.Clone(all[1:]), found("A", false)), "**missed**"},
		"a missing proof":  {ok, all[:2], "| K5 | | | did not run"},
		"nothing at all":   {ok, nil, "| E | | | did not run"},
		"a failed test":    {ok + "    --- FAIL: TestB/one (0.10s)\n", all, "FAIL: TestB/one"},
		"a skipped test":   {ok + "--- SKIP: TestC (0.00s)\n", all, "SKIP: TestC"},
		"a late end":       {ok + "panic: test timed out after 30m0s\n", all, "timed out"},
		"no log":           {"", all, "is not in the folder"},
		"a broken package": {"FAIL\tgatehouse/signin [build failed]\n", all, "build failed"},
	} {
		if text, err := report(t, c.log, c.list...); !errors.Is(err, errMissed) || !strings.Contains(text, c.want) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
