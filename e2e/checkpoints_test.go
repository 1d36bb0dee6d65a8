package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/database"
)

// receiver keeps the checkpoints that a server posts, as somebody does in whom the
// administrators of its database have no hand. It listens on loopback, where the
// product lets a receiver be by its own rule.
type receiver struct {
	*httptest.Server
	t    *testing.T
	file string

	mu      sync.Mutex
	batches []int64
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, file: filepath.Join(t.TempDir(), "kept.txt")}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	var sent audit.Sent
	if err := json.NewDecoder(req.Body).Decode(&sent); err != nil || sent.Type != audit.SentType || sent.Note == "" {
		r.t.Errorf("posted: %+v, %v", sent, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := os.OpenFile(r.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(sent.Note + "\n")
		f.Close()
	}
	if err != nil {
		r.t.Error(err)
	}
	r.batches = append(r.batches, sent.Batch)
}

func (r *receiver) settings() string { return "AUDIT_CHECKPOINT_URL=" + r.URL + "/audit" }

// newest waits until there are n checkpoints and answers up to which batch the
// last one goes.
func (r *receiver) newest(n int) int64 {
	r.t.Helper()
	for deadline := time.Now().Add(45 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		r.mu.Lock()
		list := r.batches
		r.mu.Unlock()
		if len(list) >= n {
			return list[len(list)-1]
		}
	}
	r.t.Fatalf("fewer than %d checkpoints were posted", n)
	return 0
}

// byHand runs statements in the database, as its administrator could.
func (s *server) byHand(statements ...string) {
	s.t.Helper()
	url := "sqlite:" + filepath.Join(s.data, "data", "gatehouse.db")
	for _, e := range s.env {
		if v, ok := strings.CutPrefix(e, "DATABASE_URL="); ok {
			url = v
		}
	}
	db, err := database.Open(context.Background(), database.Options{URL: url, Clock: time.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for _, q := range statements {
		if n, err := db.Exec(context.Background(), q); err != nil || n == 0 {
			s.t.Fatalf("%s: %d rows, %v", q, n, err)
		}
	}
}

// verified runs audit verify and checks its exit and what it says.
func (s *server) verified(want int, says string, args ...string) {
	s.t.Helper()
	out, err := s.command("", append([]string{"audit", "verify"}, args...)...)
	if got := exitOf(err); got != want {
		s.t.Errorf("audit verify %v ended with %d, want %d:\n%s", args, got, want, out)
	}
	if !regexp.MustCompile(says).MatchString(out) {
		s.t.Errorf("audit verify %v does not say %q:\n%s", args, says, out)
	}
}

// exitOf is the exit status of a command that has run; -1 for one that has not.
func exitOf(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := err.(interface{ ExitCode() int }); ok {
		return e.ExitCode()
	}
	return -1
}

// witnessed is a server that posts a checkpoint an hour, soon after its start and
// at its end, and was stopped twice: at once, and after somebody signed up.
func witnessed(t *testing.T, env ...string) (*server, *receiver) {
	t.Helper()
	r := newReceiver(t)
	s := startServer(t, append(env, r.settings())...)
	s.stop()
	first := r.newest(1)
	s.start()
	s.register(mara, maraPassword)
	time.Sleep(time.Second) // until that is linked, in a batch of its own
	s.login(mara, maraPassword)
	s.stop()
	if last := r.newest(2); last <= first {
		t.Fatalf("the checkpoints go up to batch %d and %d", first, last)
	}
	return s, r
}

func TestWhatADatabaseAdministratorChangesIsFoundByPostedCheckpoints(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s, r := witnessed(t, env...)
		s.verified(0, `compared with [2-9] checkpoints`, "--checkpoint", r.file)

		s.byHand(`UPDATE audit_events SET outcome = 'failure' WHERE action = 'signin'`)
		s.verified(1, `batch \d+: event .*(changed|differs)`, "--checkpoint", r.file)
		s.byHand(`UPDATE audit_events SET outcome = 'success' WHERE action = 'signin'`)
		s.verified(0, `compared with`, "--checkpoint", r.file)

		last := `(SELECT seq FROM (SELECT MAX(seq) AS seq FROM audit_batches) AS newest)`
		s.byHand(`DELETE FROM audit_events WHERE batch = `+last, `DELETE FROM audit_batches WHERE seq = `+last)
		s.verified(0, `compared with 0 checkpoints`) // the chain alone knows of no end
		s.verified(1, `the chain ends with batch \d+: batches up to \d+ of the checkpoint of .* are missing`, "--checkpoint", r.file)

		// The server goes on over it, and the receiver's checkpoints tell for ever.
		s.start()
		s.login(mara, maraPassword)
		s.stop()
		s.verified(1, `batch \d+ differs from the checkpoint of .*: something in batches \d+ to \d+ was changed after it`, "--checkpoint", r.file)
	})
}

func TestARestoreIsToldFromAChangeByPostedCheckpoints(t *testing.T) {
	r := newReceiver(t)
	s := startServer(t, r.settings())
	s.register(mara, maraPassword)
	time.Sleep(time.Second) // until that is linked
	if out, err := s.command("", "backup", "monday.db"); err != nil {
		t.Fatal(out)
	}
	for range 3 {
		s.login(mara, maraPassword)
		time.Sleep(time.Second)
	}
	s.stop()
	newer := r.newest(1)
	if out, err := s.command("", "restore", "monday.db", "--yes"); err != nil {
		t.Fatal(out)
	}
	s.verified(1, `the chain ends with batch \d+: batches up to \d+ of the checkpoint of .* are missing`, "--checkpoint", r.file)
	s.start()
	time.Sleep(time.Second)
	s.stop()
	if now := r.newest(2); now >= newer {
		t.Fatalf("the chain has %d batches after the restore and had %d, so that this shows nothing", now, newer)
	}
	// The record itself says that it was put back, which a cut end does not.
	s.verified(1, `(?s)the chain ends with batch \d+: .*Note: batch \d+ says that the database was put back to an earlier state`, "--checkpoint", r.file)
}
