package database_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

// logAfter writes some 12 MiB in small transactions and answers how long the log
// has become. SQLite writes a log from its beginning again once all of it is in
// the file of the database, so it stays short when that happens often.
func logAfter(t *testing.T, bulk bool) int64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	db := testkit.Open(t, "sqlite:"+path, testkit.NewClock().Now)
	if bulk {
		if err := db.Bulk(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(t.Context(), "CREATE TABLE heap (n INTEGER PRIMARY KEY, what BLOB) STRICT"); err != nil {
		t.Fatal(err)
	}
	for n := range 48 {
		err := db.Write(t.Context(), func(tx *gorm.DB) error {
			return tx.Exec("INSERT INTO heap (n, what) VALUES (?, ?)", n, make([]byte, 256<<10)).Error
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return log.Size()
}

func TestManyWritesAtOnceAreKeptInTheLogForLonger(t *testing.T) {
	if usual, bulk := logAfter(t, false), logAfter(t, true); usual > 8<<20 || bulk < 12<<20 {
		t.Errorf("the log is %d bytes long, and %d while many rows are written", usual, bulk)
	}
}

// Success is answered only after a durable commit, also for many rows.
func TestManyWritesAtOnceAreAsDurableAsOne(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		if err := db.Bulk(t.Context()); err != nil {
			t.Fatal(err)
		}
		if db.Dialect() == database.MySQL {
			return // the server decides
		}
		err := db.Write(t.Context(), func(tx *gorm.DB) error {
			for pragma, want := range map[string]int{"synchronous": 2, "foreign_keys": 1} {
				var got int
				if err := tx.Raw("PRAGMA " + pragma).Scan(&got).Error; err != nil || got != want {
					return fmt.Errorf("%s is %d, want %d: %w", pragma, got, want, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
