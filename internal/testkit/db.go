package testkit

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/database"

	"github.com/go-sql-driver/mysql"
)

// EnvMySQL names the variable with the DSN of a server on which tests may make
// and drop databases, such as root@unix(/tmp/x/sock)/.
const EnvMySQL = "GATEHOUSE_TEST_MYSQL"

// DB is a migrated SQLite database in a folder of the test.
func DB(t testing.TB) *database.DB {
	t.Helper()
	return Open(t, SQLiteURL(t), NewClock().Now)
}

// EachDB runs test on SQLite and, when GATEHOUSE_TEST_MYSQL is set, on MySQL or
// MariaDB with a database of its own.
func EachDB(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { test(t, Open(t, url, NewClock().Now)) })
}

// EachURL is EachDB for tests that open the database themselves. The database
// is empty on MySQL and migrated on SQLite.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLiteURL(t)) })
	if HasMySQL() {
		t.Run("mysql", func(t *testing.T) { test(t, MySQLURL(t)) })
	}
}

// HasMySQL reports whether there is a server for tests.
func HasMySQL() bool { return os.Getenv(EnvMySQL) != "" }

// Open opens and migrates the database at url, and closes it with the test.
func Open(t testing.TB, url string, clock func() time.Time) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{URL: url, Clock: clock, Log: Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// template is a migrated SQLite file as bytes, made once for all tests of a
// package, because a copy is faster than the migrations.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "gatehouse-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return makeTemplate(filepath.Join(dir, "t.db"))
})

// SQLiteURL names a migrated SQLite file in a folder of the test.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	content, err := template()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// MySQLURL makes an empty database on the server of GATEHOUSE_TEST_MYSQL and
// drops it with the test. It skips the test when there is no server.
func MySQLURL(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv(EnvMySQL)
	if dsn == "" {
		t.Skip(EnvMySQL + " is not set")
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("gatehouse_test_%016x", rand.Uint64())
	run(t, dsn, "CREATE DATABASE "+name)
	t.Cleanup(func() { run(t, dsn, "DROP DATABASE "+name) })
	cfg.DBName = name
	return "mysql://" + cfg.FormatDSN()
}

// run runs one statement on the server.
func run(t testing.TB, dsn, statement string) {
	t.Helper()
	pool, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
