package passwords

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hashesOf is n hashes that stand for those of passwords, sorted.
func hashesOf(n int) []hashLine {
	list := make([]hashLine, n)
	for i := range list {
		list[i] = sha1.Sum(binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	slices.SortFunc(list, func(a, b hashLine) int { return bytes.Compare(a[:], b[:]) })
	return list
}

// listOf writes hashes with counts of one to eight digits, as the real list has.
func listOf(hashes []hashLine, end string) string {
	var b strings.Builder
	for i, h := range hashes {
		fmt.Fprintf(&b, "%X:%d%s", h, 1<<(uint(h[3])%27)+i%2, end)
	}
	return b.String()
}

func openList(t testing.TB, content string) (*Breached, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pwned.txt")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return OpenBreached(path)
}

func TestEveryLineOfAListIsFoundAndNothingElse(t *testing.T) {
	for _, n := range []int{1, 2, 3, 90, 100, 2000} {
		hashes := hashesOf(n)
		for name, content := range map[string]string{
			"LF": listOf(hashes, "\n"), "CRLF": listOf(hashes, "\r\n"),
			"no end":     strings.TrimSuffix(listOf(hashes, "\n"), "\n"),
			"lower case": strings.ToLower(listOf(hashes, "\n")),
			"no counts":  fmt.Sprintf("%X\n", hashes[0]) + listOf(hashes[1:], "\n"),
		} {
			b, err := openList(t, content)
			if err != nil {
				t.Fatalf("%d lines, %s: %v", n, name, err)
			}
			for i, h := range hashes {
				if found, err := b.has(h); err != nil || !found {
					t.Fatalf("%d lines, %s: line %d: %v, %v", n, name, i, found, err)
				}
				h[19]++
				if found, err := b.has(h); err != nil || found {
					t.Fatalf("%d lines, %s: beside line %d: %v, %v", n, name, i, found, err)
				}
			}
			for _, h := range []hashLine{{}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
				if found, err := b.has(h); err != nil || found {
					t.Fatalf("%d lines, %s: outside: %v, %v", n, name, found, err)
				}
			}
		}
	}
}

// A list of a service of its own may be anything but even.
func TestAnUnevenListIsSearchedInFewLooks(t *testing.T) {
	hashes := hashesOf(20_000)
	for i := range hashes {
		hashes[i][0], hashes[i][1] = 0, 0 // all at the lower end
	}
	slices.SortFunc(hashes, func(a, b hashLine) int { return bytes.Compare(a[:], b[:]) })
	content := listOf(hashes, "\n")
	file := &countingReader{r: strings.NewReader(content)}
	b := &Breached{file: file, size: int64(len(content))}
	for _, h := range hashes[:2000] {
		file.reads = 0
		if found, err := b.has(h); err != nil || !found || file.reads > 24 {
			t.Fatalf("%v, %v after %d looks", found, err, file.reads)
		}
	}
}

type countingReader struct {
	r     *strings.Reader
	reads int
	fail  error
}

func (c *countingReader) ReadAt(p []byte, at int64) (int, error) {
	c.reads++
	if c.fail != nil {
		return 0, c.fail
	}
	return c.r.ReadAt(p, at)
}

func TestALookUpReadsThreeBlocksOfAnEvenList(t *testing.T) {
	hashes := hashesOf(100_000)
	content := listOf(hashes, "\r\n")
	file := &countingReader{r: strings.NewReader(content)}
	b := &Breached{file: file, size: int64(len(content))}
	for i := 0; i < len(hashes); i += 97 {
		if found, err := b.has(hashes[i]); err != nil || !found {
			t.Fatal(found, err)
		}
	}
	looked := (len(hashes) + 96) / 97
	if mean := float64(file.reads) / float64(looked); mean > 3 {
		t.Errorf("%.1f blocks a look-up", mean)
	}
}

func TestAFileOfAnotherFormIsRefusedWhenItIsOpened(t *testing.T) {
	hashes := hashesOf(2000)
	good := listOf(hashes, "\n")
	lines := strings.SplitAfter(good, "\n")
	swapped := slices.Clone(lines)
	swapped[3], swapped[1800] = swapped[1800], swapped[3]
	for name, content := range map[string]string{
		"empty":          "",
		"NTLM":           good[:32] + ":17\n",
		"short hashes":   "0123456789ABCDEF:3\n",
		"passwords":      "123456\npassword\nqwerty\n",
		"by count":       lines[9] + lines[3] + lines[7],
		"not sorted":     strings.Join(swapped, ""),
		"packed":         "\x1f\x8b\x08\x00\x00\x00" + strings.Repeat("x", 5000),
		"no end of line": strings.Repeat("A", 10_000),
		"no number":      fmt.Sprintf("%X:many\n", hashes[0]),
		"spaces":         fmt.Sprintf("%X 12\n", hashes[0]),
		"cut at the end": good + "ABCDEF",
	} {
		if _, err := openList(t, content); err == nil {
			t.Errorf("%s was taken", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %v", name, err)
		}
	}
	if _, err := OpenBreached(t.TempDir()); err == nil {
		t.Error("a folder was taken")
	}
	if _, err := OpenBreached(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestAPasswordOfTheOperatorsListIsRefused(t *testing.T) {
	sum := sha1.Sum([]byte("four plain words here"))
	hashes := append(hashesOf(500), sum)
	slices.SortFunc(hashes, func(a, b hashLine) int { return bytes.Compare(a[:], b[:]) })
	list, err := openList(t, listOf(hashes, "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	h := New(Options{Breached: list})
	if got := reasonOf(h, "four plain words here"); got != "common" {
		t.Errorf("%q", got)
	}
	if got := reasonOf(h, "Four plain words here"); got != "" {
		t.Errorf("another password: %q", got)
	}
}

func TestAListThatCannotBeReadRefusesNobodyAndIsReported(t *testing.T) {
	broken := errors.New("the disk is gone")
	var faults []error
	h := New(Options{
		Breached: &Breached{file: &countingReader{fail: broken}, size: 1 << 20},
		Fault:    func(err error) { faults = append(faults, err) },
	})
	if got := reasonOf(h, "four plain words here"); got != "" {
		t.Errorf("refused as %q", got)
	}
	if len(faults) != 1 || !errors.Is(faults[0], broken) {
		t.Errorf("reported: %v", faults)
	}
}

// Whatever the file holds, opening and searching it ends, and a list that is
// what it should be is searched rightly.
func FuzzAListIsSearchedOrRefused(f *testing.F) {
	f.Add([]byte(listOf(hashesOf(3), "\n")), []byte("password"))
	f.Add([]byte(listOf(hashesOf(200), "\r\n")), []byte{0, 0, 0, 0, 0, 0, 0, 7})
	f.Add([]byte("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3\n5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"), []byte("password"))
	f.Add([]byte("\n\n:\n"), []byte(""))
	f.Fuzz(func(t *testing.T, content, password []byte) {
		b := &Breached{file: bytes.NewReader(content), size: int64(len(content))}
		opened := b.sample()
		want := hashLine(sha1.Sum(password))
		found, err := b.has(want)
		listed := false
		for line := range bytes.Lines(content) {
			if h, err := parseHashLine(line); err == nil && h == want {
				listed = true
			}
		}
		if found && !listed {
			t.Errorf("%q is found and not on the list", password)
		}
		if small := len(content) <= readSize; small && opened == nil && (err != nil || found != listed) {
			t.Errorf("a good list: found %v, listed %v, %v", found, listed, err)
		}
	})
}

func BenchmarkBreached(b *testing.B) {
	path := os.Getenv("GATEHOUSE_BREACHED")
	if path == "" {
		b.Skip("GATEHOUSE_BREACHED names no list")
	}
	list, err := OpenBreached(path)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := list.Has(fmt.Sprint("password ", i)); err != nil {
			b.Fatal(err)
		}
	}
}
