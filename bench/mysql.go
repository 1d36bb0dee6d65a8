package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
)

const benchSecret = "SECRET_KEY=3b1f9a6c0d5e8f72a4c9b8e7d6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7"

// measureMySQL: our way to MariaDB against the driver's own prepared
// statements, and the round trips of the two busiest calls. The server is
// named by GATEHOUSE_TEST_MYSQL, as for the tests.
func measureMySQL(b *bench) error {
	server := os.Getenv("GATEHOUSE_TEST_MYSQL")
	if server == "" {
		fmt.Fprintln(os.Stderr, "  left out: GATEHOUSE_TEST_MYSQL names no server")
		return nil
	}
	admin, err := sql.Open("mysql", server)
	if err != nil {
		return err
	}
	defer admin.Close()
	if _, err := admin.Exec("CREATE DATABASE IF NOT EXISTS gatehouse_bench"); err != nil {
		return err
	}
	defer func() { _, _ = admin.Exec("DROP DATABASE gatehouse_bench") }()
	dsn := strings.TrimSuffix(server, "/") + "/gatehouse_bench"
	if err := measureDriver(b, dsn); err != nil {
		return err
	}
	if err := measureTrips(b, admin, dsn); err != nil {
		return err
	}
	return measureMySQLRefresh(b, admin, dsn)
}

func measureDriver(b *bench, dsn string) error {
	raw, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer raw.Close()
	raw.SetMaxOpenConns(mysqlWorkers)
	raw.SetMaxIdleConns(mysqlWorkers)
	if _, err := raw.Exec("CREATE TABLE IF NOT EXISTS bench (id INT PRIMARY KEY, n BIGINT NOT NULL) ENGINE=InnoDB"); err != nil {
		return err
	}
	for i := range mysqlWorkers {
		if _, err := raw.Exec("INSERT IGNORE INTO bench VALUES (?, 0)", i); err != nil {
			return err
		}
	}
	db, err := database.Open(context.Background(), database.Options{URL: "mysql://" + dsn, Clock: time.Now, ReadConns: mysqlWorkers})
	if err != nil {
		return err
	}
	defer db.Close()
	read, err := raw.Prepare("SELECT id, n FROM bench WHERE id = ?")
	if err != nil {
		return err
	}
	write, err := raw.Prepare("UPDATE bench SET n = n + 1 WHERE id = ?")
	if err != nil {
		return err
	}
	type line struct{ ID, N int64 }
	ctx := context.Background()
	reads, err := b.turns(
		func(i int) error {
			var l line
			return db.Read(ctx).Raw("SELECT id, n FROM bench WHERE id = ?", i).Scan(&l).Error
		},
		func(i int) error { var l line; return read.QueryRow(i).Scan(&l.ID, &l.N) })
	if err != nil {
		return err
	}
	goal, ok := atLeast(0.75)
	b.add(newRow("MariaDB reads through GORM / raw prepared driver", reads, "", goal, ok))
	commits, err := b.turns(
		func(i int) error {
			return db.Write(ctx, func(tx *gorm.DB) error { return tx.Exec("UPDATE bench SET n = n + 1 WHERE id = ?", i).Error })
		},
		func(i int) error {
			tx, err := raw.Begin()
			if err != nil {
				return err
			}
			if _, err := tx.Stmt(write).Exec(i); err != nil {
				_ = tx.Rollback()
				return err
			}
			return tx.Commit()
		})
	if err != nil {
		return err
	}
	goal, ok = atLeast(0.90)
	b.add(newRow("MariaDB commits through GORM / raw prepared driver", commits, "", goal, ok))
	return nil
}

const mysqlWorkers = 8

// turns measures two functions in turns and returns the ratios of their rates.
func (b *bench) turns(ours, theirs func(worker int) error) ([]float64, error) {
	var ratios []float64
	for range b.rounds {
		t, err := rateOf(mysqlWorkers, theirs, b.d)
		if err != nil {
			return nil, err
		}
		o, err := rateOf(mysqlWorkers, ours, b.d)
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, o/t)
	}
	return ratios, nil
}

func rateOf(workers int, f func(worker int) error, d time.Duration) (float64, error) {
	var n atomic.Int64
	var failed atomic.Pointer[error]
	begin := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for time.Since(begin) < d && failed.Load() == nil {
				if err := f(w); err != nil {
					failed.Store(&err)
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(n.Load()) / time.Since(begin).Seconds(), nil
}

// measureTrips counts what the server was asked, less what a resting node asks.
func measureTrips(b *bench, admin *sql.DB, dsn string) error {
	env := []string{"DATABASE_URL=mysql://" + dsn, benchSecret}
	gh, err := b.fresh("mysql", env...)
	if err != nil {
		return err
	}
	defer gh.stop()
	t, err := signIn(gh, "/api/v1/login", "username", benchEmail)
	if err != nil {
		return err
	}
	const calls = 10
	count := func(f func() error) (float64, error) {
		rest, err := questions(admin, func() error { time.Sleep(3 * time.Second); return nil })
		if err != nil {
			return 0, err
		}
		begin := time.Now()
		busy, err := questions(admin, func() error {
			for range calls {
				if err := f(); err != nil {
					return err
				}
			}
			return nil
		})
		return (busy - rest/3*time.Since(begin).Seconds()) / calls, err
	}
	signIns, err := count(func() error { _, err := signIn(gh, "/api/v1/login", "username", benchEmail); return err })
	if err != nil {
		return err
	}
	refreshes, err := count(func() (err error) { t.Refresh, err = rotate(gh, t.Refresh); return err })
	if err != nil {
		return err
	}
	b.add(newRow("MariaDB round trips of a sign-in", []float64{signIns}, "", "at most 9", func(m float64) bool { return m < 9.5 }))
	b.add(newRow("MariaDB round trips of a refresh", []float64{refreshes}, "", "at most 5", func(m float64) bool { return m < 5.5 }))
	return nil
}

func questions(admin *sql.DB, f func() error) (float64, error) {
	read := func() (n float64, err error) {
		var name string
		err = admin.QueryRow("SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n)
		return n, err
	}
	before, err := read()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := read()
	return after - before - 1, err
}
