package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// revoked signs in, lets backup run, and then ends one of two sessions.
func (s *server) revoked(backup func()) (ended, other pair) {
	s.t.Helper()
	s.register(mara, maraPassword)
	ended, other = s.login(mara, maraPassword), s.login(mara, maraPassword)
	backup()
	s.want(http.StatusNoContent, "POST", "/api/v1/logout", ended.Access, map[string]any{})
	s.want(http.StatusUnauthorized, "GET", "/auth", ended.Access, nil)
	time.Sleep(time.Second) // until the ending is sealed and written down
	return ended, other
}

// nothingRevived fails if anything of before is good again.
func (s *server) nothingRevived(reason string, held ...pair) {
	s.t.Helper()
	for _, p := range held {
		s.want(http.StatusUnauthorized, "GET", "/auth", p.Access, nil)
		s.want(http.StatusUnauthorized, "POST", "/api/v1/token/refresh", "", map[string]any{"refresh_token": p.Refresh})
	}
	s.want(http.StatusOK, "GET", "/auth", s.login(mara, maraPassword).Access, nil)
	if !strings.Contains(s.out.String(), "went back in time") && reason != "" || !strings.Contains(s.out.String(), reason) {
		s.t.Errorf("the log does not say %q:\n%s", reason, s.out)
	}
}

func TestARestoreByCommandRevivesNothing(t *testing.T) {
	s := startServer(t)
	ended, other := s.revoked(func() {
		if out, err := s.command("", "backup", "monday.db"); err != nil {
			t.Fatal(out)
		}
	})
	if out, err := s.command("", "restore", "monday.db", "--yes"); err == nil || !strings.Contains(out, "another server is running") {
		t.Errorf("beside a running server: %s", out)
	}
	s.stop()
	if out, err := s.command("", "restore", "monday.db", "--yes"); err != nil {
		t.Fatal(out)
	}
	s.start()
	s.nothingRevived("", ended, other)
	if strings.Contains(s.out.String(), "went back in time") {
		t.Error("the restore was taken for another one")
	}
}

func TestACopyPutBackByHandRevivesNothing(t *testing.T) {
	s := startServer(t)
	db := filepath.Join(s.data, "data", "gatehouse.db")
	ended, other := s.revoked(func() {
		if out, err := s.command("", "backup", "monday.db"); err != nil {
			t.Fatal(out)
		}
	})
	s.stop()
	s.start() // a restart is no alarm
	s.want(http.StatusOK, "GET", "/auth", other.Access, nil)
	if err := s.cmd.Process.Kill(); err != nil { // nor is a crash
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	s.start()
	s.want(http.StatusOK, "GET", "/auth", other.Access, nil)
	s.stop()
	content, err := os.ReadFile(filepath.Join(s.data, "monday.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(db, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"-wal", "-shm"} {
		_ = os.Remove(db + part)
	}
	s.start()
	s.nothingRevived("high_water_file", ended, other)
	again := s.login(mara, maraPassword)
	s.stop()
	s.start() // once only
	s.want(http.StatusOK, "GET", "/auth", again.Access, nil)
}
