package tokens

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// flooded is a server on SQLite with a high-water file, and a second start of
// it.
func flooded(t *testing.T) (r *room, path string, again func() error) {
	t.Helper()
	clock := testkit.NewClock()
	r = newRoom(t, testkit.Open(t, testkit.SQLiteURL(t), clock.Now))
	path = filepath.Join(t.TempDir(), "high-water")
	again = func() error {
		o := New(r.deps)
		o.Log.UseHighWater(path)
		if err := o.Log.Start(t.Context()); err != nil {
			return err
		}
		r.Service = o
		return nil
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	return r, path, again
}

func (r *room) endsOne() {
	r.t.Helper()
	anna := r.person(models.NewID().String())
	if _, err := r.Sessions.End(r.t.Context(), anna.ID, r.browser(anna).ID, "", Client{}); err != nil {
		r.t.Fatal(err)
	}
	r.turn()
	r.turn()
}

func TestAFileThatHasSeenMoreThanTheDatabaseRevivesNothing(t *testing.T) {
	r, path, again := flooded(t)
	session, refresh := r.family(r.person("anna"))
	r.endsOne()
	r.saved()
	r.endsOne()
	if err := again(); err != nil { // a crash loses nothing that the file has seen
		t.Fatal(err)
	}
	r.notRenewed()
	r.rewind(rewound...) // the server is stopped, and the backup copied into its place
	if err := again(); err != nil {
		t.Fatal(err)
	}
	r.renewed(WhyFile)
	if _, err := r.rotate(refresh); err == nil || r.alive(session) {
		t.Errorf("got %v", err)
	}
	for range 2 { // once only
		if err := again(); err != nil {
			t.Fatal(err)
		}
	}
	r.renewed(WhyFile)
	b, err := os.ReadFile(path)
	if w, errParse := parseWater(b); err != nil || errParse != nil || w.logID != r.Log.logID || w.seq != r.Log.cursor {
		t.Errorf("the file says %q, %v", b, err)
	}
}

func TestADatabaseThatGrewAnotherWayIsRecognisedByItsFile(t *testing.T) {
	r, _, again := flooded(t)
	r.endsOne()
	r.saved()
	r.endsOne()
	r.rewind("revocation_batches", "sessions")
	r.Log.water = nil // a server that keeps no file, on the old copy
	r.Log.cursor, r.Log.head, r.Log.peak = 0, nil, peak{}
	r.endsOne()
	r.endsOne()
	r.notRenewed()
	if err := again(); err != nil {
		t.Fatal(err)
	}
	r.renewed(WhyFile)
}

func TestAFileOfAnotherLog(t *testing.T) {
	r, path, again := flooded(t)
	if _, err := r.Restored(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil { // of the log that was left: a command did it
		t.Fatal(err)
	}
	r.renewed(WhyRestored)
	r.exec("DELETE FROM audit_events")
	if err := os.WriteFile(path, []byte(water{logID: models.NewID(), seq: 3}.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil { // of one that this database never had
		t.Fatal(err)
	}
	r.renewed(WhyOtherLog)
}

func TestAMissingFileIsFineAndADamagedOneIsOneLine(t *testing.T) {
	r, path, again := flooded(t)
	r.endsOne()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("gatehouse-high-water 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := again()
	if err == nil || !strings.Contains(err.Error(), path+" is damaged") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	r.notRenewed()
}

// The file may never be ahead of what is committed, or a crash would look like
// a step back in time.
func TestTheFileNeverSaysMoreThanWasRead(t *testing.T) {
	r, path, _ := flooded(t)
	anna := r.person("anna")
	if _, err := r.Sessions.End(t.Context(), anna.ID, r.browser(anna).ID, "", Client{}); err != nil {
		t.Fatal(err)
	}
	seal(t, r.Log)
	b, err := os.ReadFile(path)
	if w, errParse := parseWater(b); err != nil || errParse != nil || w.seq != 0 {
		t.Errorf("%q before the batch was read", b)
	}
	poll(t, r.Log)
	if b, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if w, _ := parseWater(b); w.seq != 1 {
		t.Errorf("%q after", b)
	}
}

func FuzzHighWaterFile(f *testing.F) {
	good := water{logID: models.NewID(), seq: 17, hash: [32]byte{1, 2, 3}}
	f.Add([]byte(good.text()))
	f.Add([]byte(water{logID: models.NewID()}.text()))
	for _, bad := range []string{"", "\n", "gatehouse-high-water 1 x 1 00\n", strings.ToUpper(good.text()), good.text() + "\n",
		strings.Replace(good.text(), " 17 ", " 017 ", 1), strings.Replace(good.text(), " 17 ", " -1 ", 1), strings.Repeat(" ", 300)} {
		f.Add([]byte(bad))
		if _, err := parseWater([]byte(bad)); err == nil {
			f.Errorf("%q was read", bad)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := parseWater(b)
		if err == nil && w.text() != string(b) {
			t.Errorf("%q has another spelling", b)
		}
		if err != nil && w != (water{}) {
			t.Error("half a file was read")
		}
	})
}
