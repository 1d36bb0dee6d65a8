package server_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/config"
	"gatehouse/internal/testkit"
	"gatehouse/server"
	"gatehouse/tokens"
)

func (h held) ends(t *testing.T, r *server.Rooms) {
	t.Helper()
	if s, err := r.Tokens.Sessions.ByCookie(t.Context(), h.cookie); err != nil || s != nil {
		t.Errorf("the cookie opens %v, %v", s, err)
	}
	var n int64
	err := r.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM audit_events WHERE action = 'database.went_back' AND reason = ?", tokens.WhyRestored).Scan(&n).Error
	if err != nil || n != 1 {
		t.Errorf("%d records of it, %v", n, err)
	}
	for _, k := range r.Keys.Public() {
		if k.KID == h.kid {
			t.Error("the key of before is published")
		}
	}
}

// held is what somebody holds at the time of the backup.
type held struct{ cookie, kid string }

func holds(t *testing.T, r *server.Rooms) held {
	t.Helper()
	return held{anonymousWith(t, r, "a message"), r.Keys.Signer().KID}
}

func TestARestoreByCommandEndsEverythingBeforeAnythingServes(t *testing.T) {
	c := settingsFor(t, "", newSecretKey(), "")
	c.DatabaseURL = config.Secret("sqlite:" + filepath.Join(c.DataDir, "gatehouse.db"))
	backup := filepath.Join(c.DataDir, "monday.db")
	r, err := server.OpenRooms(t.Context(), c, io.Discard) // closed before the restore
	if err != nil {
		t.Fatal(err)
	}
	h := holds(t, r)
	if _, err := server.Backup(t.Context(), c, backup, io.Discard); err != nil {
		t.Fatal(err)
	}
	late := holds(t, r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.SQLitePath()+".high-water", []byte("of the database of before"), 0o600); err != nil {
		t.Fatal(err)
	}
	done, err := server.RestoreDatabase(t.Context(), c, server.Restore{File: backup}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.SQLitePath() + ".high-water"); err == nil {
		t.Error("what was known of the database of before is still there")
	}
	h.ends(t, mustOpen(t, c))
	aside := c
	aside.DatabaseURL = config.Secret("sqlite:" + done.Aside)
	if s, err := mustOpen(t, aside).Tokens.Sessions.ByCookie(t.Context(), late.cookie); err != nil || s == nil {
		t.Errorf("the database of before is not whole: %v, %v", s, err)
	}
}

func TestARestoreWithoutAFileTakesTheDatabaseAsItIs(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		c := settingsFor(t, url, newSecretKey(), "")
		r := mustOpen(t, c)
		h := holds(t, r)
		if _, err := server.RestoreDatabase(t.Context(), c, server.Restore{}, io.Discard); err != nil {
			t.Fatal(err)
		}
		h.ends(t, mustOpen(t, c))
	})
}

func TestAWrongSecretKeyChangesNotEvenTheTables(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		c := settingsFor(t, url, newSecretKey(), "")
		r := mustOpen(t, c)
		if err := r.DB.MigrateDown(t.Context()); err != nil { // a database of the version before
			t.Fatal(err)
		}
		before, err := r.DB.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.SecretKey = config.Secret(newSecretKey())
		if _, err := openRooms(t, c); err == nil || !strings.HasPrefix(err.Error(), "SECRET_KEY does not open the keys") {
			t.Errorf("got %v", err)
		}
		after, err := r.DB.Migrations(t.Context())
		if err != nil || len(after) != len(before) || !after[len(after)-1].AppliedAt.IsZero() {
			t.Errorf("the tables were changed: %v, %v", after, err)
		}
	})
}
