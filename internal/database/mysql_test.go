package database_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"

	"github.com/go-sql-driver/mysql"
	"gorm.io/gorm"
)

func mysqlDB(t *testing.T) *database.DB {
	t.Helper()
	return testkit.Open(t, testkit.MySQLURL(t), testkit.NewClock().Now)
}

// admin is a bare pool on the same database, past all our settings.
func admin(t *testing.T, url string) *sql.DB {
	t.Helper()
	pool, err := sql.Open("mysql", strings.TrimPrefix(url, "mysql://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

// collide runs two writers that lock two rows in opposite order, so that their
// first tries deadlock. lose is what each does with the error of its second row.
func collide(t *testing.T, db *database.DB, lose func(tx *gorm.DB, err error) error) (runs int64) {
	t.Helper()
	addCounter(t, db, 1)
	addCounter(t, db, 2)
	var met sync.WaitGroup
	met.Add(2)
	var count atomic.Int64
	testkit.Race(t, 2, func(i int) (bool, error) {
		first := true
		return true, db.Write(t.Context(), func(tx *gorm.DB) error {
			count.Add(1)
			if err := increment(tx, 1+byte(i)); err != nil {
				return err
			}
			if first {
				first = false
				met.Done()
				met.Wait()
			}
			return lose(tx, increment(tx, 2-byte(i)))
		})
	})
	if a, b := tries(t, db, 1), tries(t, db, 2); a != 2 || b != 2 {
		t.Fatalf("counters %d and %d, want 2 and 2", a, b)
	}
	return count.Load()
}

func TestADeadlockIsRunAgain(t *testing.T) {
	runs := collide(t, mysqlDB(t), func(_ *gorm.DB, err error) error { return err })
	if runs < 3 {
		t.Fatalf("%d runs: there was no deadlock", runs)
	}
}

func TestADeadlockWhoseErrorIsDroppedIsRunAgain(t *testing.T) {
	collide(t, mysqlDB(t), func(*gorm.DB, error) error { return nil })
}

// The server has undone the transaction, and would commit by itself what comes then.
func TestNothingIsWrittenBehindADeadlock(t *testing.T) {
	db := mysqlDB(t)
	if _, err := db.Exec(t.Context(), "CREATE TABLE behind (id BIGINT AUTO_INCREMENT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	runs := collide(t, db, func(tx *gorm.DB, _ error) error {
		return tx.Exec("INSERT INTO behind (id) VALUES (NULL)").Error
	})
	var rows int64
	if err := db.Read(t.Context()).Raw("SELECT COUNT(*) FROM behind").Scan(&rows).Error; err != nil {
		t.Fatal(err)
	}
	if runs < 3 || rows != 2 {
		t.Errorf("%d runs have left %d rows, want one row of each of the two that succeeded", runs, rows)
	}
}

func TestWhoWaitsForALockInVainWaitsTwice(t *testing.T) {
	url := testkit.MySQLURL(t)
	db := testkit.Open(t, url, testkit.NewClock().Now)
	addCounter(t, db, 1)
	other, err := admin(t, url).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }()
	if _, err := other.Exec("UPDATE throttle_counters SET tries = 7"); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err = db.Write(t.Context(), func(tx *gorm.DB) error {
		runs++
		if err := tx.Exec("SET SESSION innodb_lock_wait_timeout = 1").Error; err != nil {
			return err
		}
		return increment(tx, 1)
	})
	if !isNotNow(err) || runs != 2 {
		t.Errorf("%d runs, and %v", runs, err)
	}
}

func TestADeadlockWhoseErrorIsReplacedIsRunAgain(t *testing.T) {
	collide(t, mysqlDB(t), func(_ *gorm.DB, err error) error {
		if err != nil {
			return fmt.Errorf("wrapped past recognition: %v", err)
		}
		return nil
	})
}

func TestOurSettingsOutrankTheDSN(t *testing.T) {
	url := testkit.MySQLURL(t) + "?charset=latin1&clientFoundRows=true&parseTime=true&loc=Local&sql_mode=%27%27&multiStatements=true&interpolateParams=true"
	db := testkit.Open(t, url, testkit.NewClock().Now)
	var got struct{ Mode, Zone, Charset, Level string }
	err := db.Read(t.Context()).Raw("SELECT @@sql_mode AS mode, @@time_zone AS zone, @@character_set_connection AS charset, @@tx_isolation AS level").Scan(&got).Error
	if err != nil {
		t.Skip(err) // MySQL 8 calls the level transaction_isolation
	}
	if !strings.Contains(got.Mode, "STRICT_ALL_TABLES") || got.Zone != "+00:00" || got.Charset != "utf8mb4" || got.Level != "READ-COMMITTED" {
		t.Fatalf("got %+v", got)
	}
	addCounter(t, db, 1)
	rows, err := db.Exec(t.Context(), "UPDATE throttle_counters SET tries = ? WHERE bucket = ?", 0, bucket(1))
	if rows != 0 || err != nil {
		t.Fatalf("a row that did not change was counted: %d, %v", rows, err)
	}
	long := strings.Repeat("x", 400)
	if _, err := db.Exec(t.Context(), "INSERT INTO pending_signups (id, email, email_key, name, locale, password_hash, created_at, expires_at) VALUES (?, ?, '', '', '', '', 0, 0)", make([]byte, 16), long); err == nil {
		t.Fatal("a value that is too long was cut")
	}
}

// restricted makes a user who, unlike root, has to respect read_only.
func restricted(t *testing.T, url string) (limited string, cfg *mysql.Config) {
	t.Helper()
	cfg, err := mysql.ParseDSN(strings.TrimPrefix(url, "mysql://"))
	if err != nil {
		t.Fatal(err)
	}
	root := admin(t, url)
	name := "u" + cfg.DBName[len(cfg.DBName)-16:]
	for _, query := range []string{
		"CREATE USER " + name + "@localhost IDENTIFIED BY 'hunter2'",
		"GRANT ALL ON " + cfg.DBName + ".* TO " + name + "@localhost",
	} {
		if _, err := root.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _ = root.Exec("DROP USER " + name + "@localhost") })
	cfg.User, cfg.Passwd = name, "hunter2"
	return "mysql://" + cfg.FormatDSN(), cfg
}

func TestAReadOnlyServerIsNotNowAndRecovers(t *testing.T) {
	url := testkit.MySQLURL(t)
	limited, _ := restricted(t, url)
	db := testkit.Open(t, limited, testkit.NewClock().Now)
	addCounter(t, db, 1)
	root := admin(t, url)
	if _, err := root.Exec("SET GLOBAL read_only = 1"); err != nil {
		t.Fatal(err)
	}
	defer root.Exec("SET GLOBAL read_only = 0")
	for range 3 {
		if err := db.Write(t.Context(), func(tx *gorm.DB) error { return increment(tx, 1) }); !isNotNow(err) {
			t.Fatalf("write: got %v", err)
		}
		if _, err := db.Exec(t.Context(), insertCounter, bucket(2), 0); !isNotNow(err) {
			t.Fatalf("exec: got %v", err)
		}
	}
	if err := db.Ready(t.Context()); err != nil || tries(t, db, 1) != 0 {
		t.Fatalf("reads do not go on: %v", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("a current schema needs no write: %v", err)
	}
	if _, err := root.Exec("SET GLOBAL read_only = 0"); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *gorm.DB) error { return increment(tx, 1) }); err != nil {
		t.Fatalf("no recovery: %v", err)
	}
}

func TestAKilledConnectionIsNotNowAndRecovers(t *testing.T) {
	url := testkit.MySQLURL(t)
	db := testkit.Open(t, url, testkit.NewClock().Now)
	addCounter(t, db, 1)
	root := admin(t, url)
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		var id int64
		if err := tx.Raw("SELECT CONNECTION_ID()").Scan(&id).Error; err != nil {
			return err
		}
		if _, err := root.Exec(fmt.Sprintf("KILL %d", id)); err != nil {
			t.Error(err)
		}
		return increment(tx, 1)
	})
	if !isNotNow(err) {
		t.Fatalf("got %v", err)
	}
	if err := db.Write(t.Context(), func(tx *gorm.DB) error { return increment(tx, 1) }); err != nil {
		t.Fatal(err)
	}
	if got := tries(t, db, 1); got != 1 {
		t.Fatalf("got %d", got)
	}
}

func TestAServerThatCannotBeReachedIsOneLineWithoutThePassword(t *testing.T) {
	urls := []string{"mysql://someone:hunter2@unix(/no/such/socket)/d", "mysql://someone:hunter2@tcp(127.0.0.1:1)/d"}
	if limited, cfg := restrictedOrNone(t); limited != "" {
		cfg.Passwd = "hunter2-wrong"
		urls = append(urls, "mysql://"+cfg.FormatDSN())
		cfg.Passwd, cfg.DBName = "hunter2", "hunter_no_such_database"
		urls = append(urls, "mysql://"+cfg.FormatDSN())
	}
	for _, url := range urls {
		_, err := database.Open(t.Context(), database.Options{URL: url, Clock: testkit.NewClock().Now})
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v", err)
		}
		t.Log(err)
	}
}

func restrictedOrNone(t *testing.T) (string, *mysql.Config) {
	if !testkit.HasMySQL() {
		return "", nil
	}
	return restricted(t, testkit.MySQLURL(t))
}

func TestAnUnsafeFlushSettingIsWarnedOf(t *testing.T) {
	url := testkit.MySQLURL(t)
	root := admin(t, url)
	warns := func() bool {
		var out bytes.Buffer
		db, err := database.Open(t.Context(), database.Options{URL: url, Clock: testkit.NewClock().Now, Log: slog.New(slog.NewTextHandler(&out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		_ = db.Close()
		return strings.Contains(out.String(), "innodb_flush_log_at_trx_commit")
	}
	if warns() {
		t.Fatal("a safe setting was warned of")
	}
	if _, err := root.Exec("SET GLOBAL innodb_flush_log_at_trx_commit = 2"); err != nil {
		t.Fatal(err)
	}
	defer root.Exec("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
	if !warns() {
		t.Fatal("no warning")
	}
}

func TestACausalReadOfAClusterLeavesNothingOnTheConnection(t *testing.T) {
	db := mysqlDB(t)
	database.Galera(db)
	var waits int64
	err := db.CausalRead(t.Context(), func(tx *gorm.DB) error {
		return tx.Raw("SELECT @@session.wsrep_sync_wait").Scan(&waits).Error
	})
	if err != nil {
		t.Skip(err) // MySQL has no such variable
	}
	if waits != 1 {
		t.Fatalf("wsrep_sync_wait is %d", waits)
	}
	for range 5 {
		if err := db.Read(t.Context()).Raw("SELECT @@session.wsrep_sync_wait").Scan(&waits).Error; err != nil || waits != 0 {
			t.Fatalf("got %d and %v", waits, err)
		}
	}
}

// TestATransactionThatTheClusterUndidUnseenRunsAgain plays what a Galera node does
// to a transaction that loses while a statement of it is being prepared: it is gone
// and nobody says so.
func TestATransactionThatTheClusterUndidUnseenRunsAgain(t *testing.T) {
	db := mysqlDB(t)
	database.Galera(db)
	if _, err := db.Exec(t.Context(), "CREATE TABLE halves (id BIGINT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		runs++
		if err := tx.Exec("INSERT INTO halves (id) VALUES (?)", 1).Error; err != nil {
			return err
		}
		if runs == 1 {
			if err := tx.Exec("ROLLBACK").Error; err != nil {
				return err
			}
		}
		// Another text each time, so that it has to be prepared.
		return tx.Exec(fmt.Sprintf("INSERT INTO halves (id) VALUES (? + %d)", 10*runs), 2).Error
	})
	var ids []int64
	if readErr := db.Read(t.Context()).Raw("SELECT id FROM halves ORDER BY id").Scan(&ids).Error; readErr != nil {
		t.Fatal(readErr)
	}
	if err != nil || runs != 2 || !slices.Equal(ids, []int64{1, 22}) {
		t.Errorf("%d runs, %v, and there is %v; want 2 runs, both rows of the second and none of the first", runs, err, ids)
	}
}
