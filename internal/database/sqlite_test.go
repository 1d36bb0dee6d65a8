package database_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"

	"gorm.io/gorm"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

func TestTheFileIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%41.db")
	db := open(t, "sqlite:"+path)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestConnectionsHaveOurSettings(t *testing.T) {
	db := testkit.DB(t)
	reads := pragmas(t, db.Read(t.Context()))
	var writes map[string]int64
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		writes = pragmas(t, tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]map[string]int64{"reading": reads, "writing": writes} {
		if got["synchronous"] != 2 || got["foreign_keys"] != 1 || got["busy_timeout"] != 5000 {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if writes["cache_size"] <= 0 || reads["cache_size"] <= 0 {
		t.Errorf("the page caches are not told in pages: %d and %d", writes["cache_size"], reads["cache_size"])
	}
	if reads["query_only"] != 1 || writes["query_only"] != 0 {
		t.Error("reading connections may write, or the writer may not")
	}
}

// TestFullPageCachesTakeWhatTheyMay fills the caches of all connections and
// counts their pages at what the allocator really gives for one.
func TestFullPageCachesTakeWhatTheyMay(t *testing.T) {
	const most = 32 << 20
	before := pageMemory(t)
	db := testkit.DB(t)
	fill := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4096)
 INSERT INTO filler SELECT i, randomblob(3000) FROM n`
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		return errors.Join(tx.Exec("CREATE TABLE filler (id INTEGER PRIMARY KEY, data BLOB)").Error, tx.Exec(fill).Error)
	})
	if err != nil {
		t.Fatal(err)
	}
	all := "SELECT id, length(data || '') FROM filler"
	var open [4]*sql.Rows // one of each reading connection
	for i := range open {
		if open[i], err = db.Read(t.Context()).Raw(all).Rows(); err != nil {
			t.Fatal(err)
		}
		defer open[i].Close()
	}
	for n := range 4 * 4096 { // in turns, because a full cache takes the oldest page of any
		if rows := open[n%4]; !rows.Next() {
			t.Fatal(n, rows.Err())
		}
	}
	got := pageMemory(t) - before
	if got > most+most/32 {
		t.Errorf("full caches take %d MiB", got>>20)
	}
	if got < most*3/4 {
		t.Errorf("the caches take %d MiB, so that nothing is shown", got>>20)
	}
}

// pageMemory is what all page caches of this process take. SQLite counts what
// it asked for; the allocator gave a slot of a region of 64 KB, which begins with
// a header of its own.
func pageMemory(t *testing.T) int64 {
	t.Helper()
	const page, region = 4096 + 272, 64 << 10
	tls := libc.NewTLS()
	defer tls.Close()
	p := tls.Alloc(16)
	defer tls.Free(16)
	if rc := sqlite3.Xsqlite3_status64(tls, sqlite3.SQLITE_STATUS_PAGECACHE_OVERFLOW, p, p+8, 0); rc != 0 {
		t.Fatal("no status of the page caches: ", rc)
	}
	asked := **(**int64)(unsafe.Pointer(&p)) // memory of the library, not of Go
	sample := libc.Xmalloc(tls, page)
	defer libc.Xfree(tls, sample)
	slot := int64(libc.Xmalloc_usable_size(tls, sample))
	return asked / page * region / ((region - 1) / slot)
}

func pragmas(t *testing.T, tx *gorm.DB) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	for _, name := range []string{"synchronous", "foreign_keys", "busy_timeout", "cache_size", "query_only"} {
		var v int64
		if err := tx.Raw("PRAGMA " + name).Scan(&v).Error; err != nil {
			t.Fatal(err)
		}
		got[name] = v
	}
	return got
}

// TestCallersThatQueueShareOneCommit holds the writer in a first function until
// others have queued, and then looks at which transaction each of them ran in.
func TestCallersThatQueueShareOneCommit(t *testing.T) {
	db := testkit.DB(t)
	addCounter(t, db, 1)
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Write(t.Context(), func(tx *gorm.DB) error {
			close(held)
			<-release
			return increment(tx, 1)
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	seen := make(chan int64, 8)
	for range 8 {
		wg.Go(func() {
			err := db.Write(t.Context(), func(tx *gorm.DB) error {
				seen <- tries(t, db, 1) // from outside: what is committed
				return increment(tx, 1)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	database.AwaitQueue(db, 8)
	close(release)
	wg.Wait()
	for range 8 {
		if got := <-seen; got != 0 {
			t.Fatalf("a caller ran after a commit of the others: %d", got)
		}
	}
	if got := tries(t, db, 1); got != 9 {
		t.Fatalf("got %d, want 9", got)
	}
}

func TestACallerThatLeavesTheQueueIsNotRun(t *testing.T) {
	db := testkit.DB(t)
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Write(t.Context(), func(*gorm.DB) error {
			close(held)
			<-release
			return nil
		})
	})
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		err := db.Write(ctx, func(*gorm.DB) error {
			t.Error("it was run")
			return nil
		})
		if !isNotNow(err) {
			t.Errorf("got %v", err)
		}
		close(release)
	})
	database.AwaitQueue(db, 1)
	cancel()
	wg.Wait()
	addCounter(t, db, 1)
}

// TestAFullDiskIsNotNowAndRecovers uses a limit on the pages of the file, for
// which SQLite gives the same answer as for a full disk.
func TestAFullDiskIsNotNowAndRecovers(t *testing.T) {
	db := testkit.DB(t)
	addCounter(t, db, 1)
	limit := func(tx *gorm.DB) error { return tx.Exec("PRAGMA max_page_count = 1").Error }
	if err := db.Write(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte{1}, 1<<20)
	full := db.Write(t.Context(), func(tx *gorm.DB) error {
		if err := increment(tx, 1); err != nil {
			return err
		}
		return tx.Exec("INSERT INTO audit_batches (seq, prev_hash, hash, body, sealed_at) VALUES (1, ?, ?, ?, 0)", big, big, big).Error
	})
	if !isNotNow(full) {
		t.Fatalf("got %v", full)
	}
	if got := tries(t, db, 1); got != 0 {
		t.Fatalf("half of a transaction was kept: %d", got)
	}
	if err := db.Write(t.Context(), func(tx *gorm.DB) error { return increment(tx, 1) }); err != nil {
		t.Fatalf("no recovery: %v", err)
	}
}

// TestAFaultThatIsIgnoredIsNotCommitted: a function that drops an error of the
// storage must not be told that its work is safe.
func TestAFaultThatIsIgnoredIsNotCommitted(t *testing.T) {
	db := testkit.DB(t)
	big := bytes.Repeat([]byte{1}, 1<<20)
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		tx.Exec("PRAGMA max_page_count = 1")
		tx.Exec("INSERT INTO audit_batches (seq, prev_hash, hash, body, sealed_at) VALUES (1, ?, ?, ?, 0)", big, big, big)
		return nil
	})
	if !isNotNow(err) {
		t.Fatalf("got %v", err)
	}
}

func TestAFileThatIsGoneIsNotMadeAgain(t *testing.T) {
	url := testkit.SQLiteURL(t)
	path := strings.TrimPrefix(url, "sqlite:")
	db := open(t, url)
	database.DropWriter(db)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Rename(path+suffix, path+".away"+suffix)
	}
	if err := db.Write(t.Context(), func(tx *gorm.DB) error { return nil }); !isNotNow(err) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("an empty database was made")
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Rename(path+".away"+suffix, path+suffix)
	}
	addCounter(t, db, 1)
}

func TestAClosedDatabaseRefuses(t *testing.T) {
	db, err := database.Open(t.Context(), database.Options{URL: testkit.SQLiteURL(t), Clock: testkit.NewClock().Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(*gorm.DB) error { return nil }); !isNotNow(err) {
		t.Fatalf("got %v", err)
	}
}

func TestAFileThatCannotBeOpenedIsOneLine(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("this is a letter, not a database\n"), 200), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"sqlite:":                       "want sqlite: and the path",
		"sqlite::memory:":               "want sqlite: and the path",
		"sqlite:" + t.TempDir():         "is a directory",
		"sqlite:" + text:                "not a SQLite database",
		"sqlite:/no/such/folder/x.db":   "no such file or directory",
		"postgres://u:hunter2@h/d":      "want sqlite:PATH or mysql://",
		"":                              "want sqlite:PATH or mysql://",
		"mysql://u:hunter2@h:3306/d":    "want mysql://USER",
		"mysql://u:hunter2@tcp(h:3306)": "want mysql://USER",
		"mysql://u:hunter2@tcp(h)/":     "want mysql://USER",
	} {
		_, err := database.Open(t.Context(), database.Options{URL: url, Clock: testkit.NewClock().Now})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", url, err, want)
		} else if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error %q is more than a line or holds the password", url, err)
		}
	}
}
