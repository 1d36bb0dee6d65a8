package proofs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

// envIntegrity tells this test binary to check the SQLite file that it names.
const envIntegrity = "GATEHOUSE_PROOF_INTEGRITY"

// printIntegrity says "ok", or what is wrong with a file.
func printIntegrity(path string) int {
	db, err := database.Open(context.Background(), database.Options{URL: "sqlite:" + path, Clock: time.Now})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer db.Close()
	var lines []string
	if err := db.Read(context.Background()).Raw("PRAGMA integrity_check").Scan(&lines).Error; err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(strings.Join(lines, "\n"))
	return 0
}

// disk is one on which a server keeps its SQLite file, and what happens to it.
type disk struct {
	name    string
	folder  string
	in      []string             // surroundings of the server
	enter   func(*node) []string // the same for another process
	spoil   func(*node) error
	restore func(*node) error
}

// TestAFullOrReadOnlyDiskStopsWritesAndNothingElse fills the disk of a server
// on SQLite, and makes its file read-only: what writes is answered 503, what
// reads goes on, no token is lost, the file stays whole, and it works again
// without a restart.
func TestAFullOrReadOnlyDiskStopsWritesAndNothingElse(t *testing.T) {
	beside(t)
	// A full disk is a new one each time: an old one has room in the log that is
	// written again from its beginning.
	for range testkit.Sized(1, 10) {
		t.Run("full", func(t *testing.T) {
			d := fullDisk(t.TempDir())
			d.prove(t, 1)
		})
	}
	t.Run("read-only", func(t *testing.T) {
		d := readOnlyDisk(t.TempDir())
		d.prove(t, testkit.Sized(2, 20))
	})
}

// fullDisk is a small one in memory, in a name space of mounts that only the
// server has: it goes with the server, whatever happens to the test.
func fullDisk(folder string) disk {
	flags := "-m"
	if os.Getuid() != 0 {
		flags = "-Urm"
	}
	fill := func(n *node) string { return fmt.Sprintf("/proc/%d/root%s/fill", n.process(), folder) }
	return disk{
		name: "full", folder: folder,
		in: []string{"unshare", flags, "sh", "-c", `mount -t tmpfs -o size=24m none "$0" && exec "$@"`, folder},
		enter: func(n *node) []string {
			args := []string{"nsenter", "-t", fmt.Sprint(n.process()), "-m"}
			if os.Getuid() != 0 {
				args = append(args, "-U", "--preserve-credentials")
			}
			return args
		},
		spoil: func(n *node) error {
			f, err := os.Create(fill(n))
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := io.Copy(f, &endless{}); err == nil || !strings.Contains(err.Error(), "no space") {
				return fmt.Errorf("filling the disk ended with %v", err)
			}
			return nil
		},
		restore: func(n *node) error { return os.Remove(fill(n)) },
	}
}

// endless is as many zeros as anybody reads.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// readOnlyDisk makes the files immutable under the server. A mount cannot be
// made read-only while files on it are open for writing, and rights are asked
// for at the opening alone; but this flag stops the very next write.
func readOnlyDisk(folder string) disk {
	attr := func(flag string) error {
		files, err := filepath.Glob(folder + "/*")
		if err != nil {
			return err
		}
		out, err := exec.Command("chattr", append([]string{flag, folder}, files...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	return disk{
		name: "read-only", folder: folder,
		enter:   func(*node) []string { return nil },
		spoil:   func(*node) error { return attr("+i") },
		restore: func(*node) error { return attr("-i") },
	}
}

var errNotHere = errors.New("it cannot be done here")

// possible tries the surroundings, because they need rights that not everybody has.
func (d *disk) possible() error {
	if d.in != nil {
		if out, err := exec.Command(d.in[0], append(d.in[1:len(d.in):len(d.in)], "true")...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %v: %s", errNotHere, err, out)
		}
		return nil
	}
	// A file system in memory takes the flag, and the next write as well.
	open, err := os.Create(d.folder + "/open")
	if err != nil {
		return err
	}
	defer open.Close()
	defer os.Remove(open.Name())
	err = d.spoil(nil)
	_, written := open.WriteString("?")
	if err = errors.Join(err, d.restore(nil)); err == nil && written == nil {
		err = errors.New("the file system of " + d.folder + " lets a file that is open be written to, whatever its flags say")
	}
	if err != nil {
		return fmt.Errorf("%w: %v", errNotHere, err)
	}
	return nil
}

func (d *disk) prove(t *testing.T, rounds int) {
	if err := d.possible(); err != nil {
		if testkit.Proving() {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	f := planFleet(t, manyTries, "sqlite:"+d.folder+"/gatehouse.db")
	n := f.nodes[0]
	n.in = d.in
	n.launch()
	t.Cleanup(func() { _ = d.restore(n) }) // or the folder could not be removed
	n.ready()
	ctx := t.Context()
	h := &hand{l: newLedger(t), f: f, n: n, url: n.url()}
	people := &signUps{hand: h}
	for people.count < 2 || people.doubt != nil {
		people.step(ctx)
	}
	who := people.spent[0].email
	first := h.login(ctx, who, peoplePassword)
	live, over := pairOf(first), pairOf(h.login(ctx, who, peoplePassword))
	if a := h.call(ctx, http.MethodPost, "/api/v1/logout", over.access, nil); !a.done() {
		t.Fatal(a)
	}
	writes := map[string]func() answer{
		"a sign-in": func() answer { return h.login(ctx, who, peoplePassword) },
		"a sign-up": func() answer {
			return h.post(ctx, "/register", "email", "late@harbour.example", "password", peoplePassword)
		},
		"a refresh": func() answer { return h.refresh(ctx, live.refresh) },
		"a personal token": func() answer {
			return h.call(ctx, http.MethodPost, "/api/v1/me/tokens", live.access, map[string]any{"name": "x", "scopes": []string{"profile:read"}})
		},
		"a logout": func() answer { return h.call(ctx, http.MethodPost, "/api/v1/logout", live.access, nil) },
	}
	reads := map[string]func() answer{
		"a check of a token": func() answer { return h.call(ctx, http.MethodGet, "/auth", live.access, nil) },
		"a profile":          func() answer { return h.call(ctx, http.MethodGet, "/api/v1/me", live.access, nil) },
		"the sessions":       func() answer { return h.call(ctx, http.MethodGet, "/api/v1/me/sessions", live.access, nil) },
		"the sign-in page":   func() answer { return h.call(ctx, http.MethodGet, "/login", "", nil) },
		"the keys":           func() answer { return h.call(ctx, http.MethodGet, "/.well-known/jwks.json", "", nil) },
		"readiness":          func() answer { return h.call(ctx, http.MethodGet, "/readyz", "", nil) },
	}
	before := n.process()
	tries := 0
	for range rounds {
		// A session of its own each time: a line of refresh tokens may turn
		// sixteen times in half a minute.
		live = pairOf(h.sure(ctx, func() answer { return h.login(ctx, who, peoplePassword) }))
		if err := d.spoil(n); err != nil {
			t.Fatal(err)
		}
		for range testkit.Sized(2, 5) {
			for what, ask := range writes {
				tries++
				if a := ask(); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
					t.Errorf("disk %s: %s: %v", d.name, what, a)
				}
			}
			for what, ask := range reads {
				tries++
				if a := ask(); !a.done() {
					t.Errorf("disk %s: %s: %v", d.name, what, a)
				}
			}
			if access, refresh := h.call(ctx, http.MethodGet, "/auth", over.access, nil), h.refresh(ctx, over.refresh); access.done() || refresh.done() {
				t.Errorf("disk %s: what ended is taken: %v, %v", d.name, access, refresh)
			}
		}
		d.whole(t, n, d.spoiledFile(t))
		if err := d.restore(n); err != nil {
			t.Fatal(err)
		}
		until(t, testkit.Sized(20*time.Second, 5*time.Second), func() error {
			if a := h.login(ctx, who, peoplePassword); !a.done() {
				return fmt.Errorf("a sign-in: %v; it says %s", a, n.out)
			}
			return nil
		})
		a := h.refresh(ctx, live.refresh)
		if !a.done() {
			t.Fatalf("disk %s: the refresh token of before: %v", d.name, a)
		}
		if access, refresh := h.alive(ctx, over); access || refresh {
			t.Errorf("disk %s: what had ended before works afterwards", d.name)
		}
		if n.process() != before {
			t.Fatalf("disk %s: the server has ended: %s", d.name, n.out)
		}
	}
	d.whole(t, n, d.folder+"/gatehouse.db")
	if t.Failed() {
		t.Logf("the server says %s", n.out)
	}
	testkit.Found(t, testkit.Finding{Proof: "K3", Case: "SQLite, disk " + d.name,
		Tried: fmt.Sprintf("%d times, %d calls meanwhile", rounds, tries),
		Found: "every write 503 with Retry-After, every read as ever; integrity_check ok each time; works again without a restart, nothing lost, nothing revived"})
}

// spoiledFile is where the file can be opened while it is spoiled: SQLite wants
// to write even to look, but what cannot be written to stands still for a copy.
func (d *disk) spoiledFile(t *testing.T) string {
	t.Helper()
	if d.in != nil {
		return d.folder + "/gatehouse.db"
	}
	to := t.TempDir()
	for _, name := range []string{"gatehouse.db", "gatehouse.db-wal"} {
		b, err := os.ReadFile(filepath.Join(d.folder, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(to, "gatehouse.db")
}

// whole asks SQLite itself.
func (d *disk) whole(t *testing.T, n *node, path string) {
	t.Helper()
	line := append(d.enter(n), os.Args[0])
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), envIntegrity+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Errorf("disk %s: integrity_check: %v: %s", d.name, err, out)
	}
}
