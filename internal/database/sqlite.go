package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"modernc.org/sqlite"
)

const (
	// cacheKiB is the page cache of all connections together.
	cacheKiB = 32 << 10
	// defaultReadConns reading connections keep the processors of a small
	// machine busy; each has a page cache of its own.
	defaultReadConns = 4
)

// openSQLite opens the file at path with one writing and some reading
// connections.
func (d *DB) openSQLite(ctx context.Context, path string, o Options) error {
	d.dialect = SQLite
	if path == "" || strings.ContainsAny(path, "?#\x00") {
		return errors.New("DATABASE_URL: want sqlite: and the path of a file, without ? and #")
	}
	readers := o.ReadConns
	if readers <= 0 {
		readers = defaultReadConns
	}
	// A quarter for the writer, which touches fewer pages than the readers.
	write, err := sqlitePool(path, cacheKiB/4, false)
	if err != nil {
		return err
	}
	d.writer = newWriter(write, d.log)
	if err := write.PingContext(ctx); err != nil {
		return sqliteOpenError(path, err)
	}
	if d.main, err = sqlitePool(path, cacheKiB*3/4/readers, true); err != nil {
		return err
	}
	d.main.SetMaxOpenConns(readers)
	d.main.SetMaxIdleConns(readers)
	if err := d.main.PingContext(ctx); err != nil {
		return sqliteOpenError(path, err)
	}
	d.migrator = func() (*sql.DB, error) { return sqlitePool(path, cacheKiB/4, false) }
	return d.openGORM(&sqliteDialector{pool: d.main})
}

// sqlitePool makes a pool of one connection to the file, opened at first use.
// The driver's own name ("sqlite") is never registered twice, because
// sql.OpenDB needs no name.
func sqlitePool(path string, cacheKiB int, queryOnly bool) (*sql.DB, error) {
	c, err := sqlite.NewConnector(sqliteDSN(path, cacheKiB, queryOnly))
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	pool := sql.OpenDB(connector{Connector: c, prepareBare: true})
	pool.SetMaxOpenConns(1)
	pool.SetMaxIdleConns(1)
	return pool, nil
}

// sqliteDSN holds our settings: a write-ahead log flushed at every commit
// (success only after a durable commit), waiting for the locks of commands that
// run beside the server, foreign keys, and no surprise from quoted strings.
func sqliteDSN(path string, cacheKiB int, queryOnly bool) string {
	q := url.Values{}
	q.Set("_busy_timeout", "5000")
	q.Set("_foreign_keys", "on")
	q.Set("_txlock", "immediate")
	q.Set("_dqs", "0")
	q.Add("_pragma", "cache_size(-"+strconv.Itoa(cacheKiB)+")")
	q.Add("_pragma", "temp_store(memory)")
	if queryOnly {
		q.Set("_query_only", "on")
	} else {
		q.Set("_journal_mode", "WAL")
	}
	q.Set("_synchronous", "FULL")
	return path + "?" + q.Encode()
}

// sqliteOpenError says what is wrong with the file, in one line.
func sqliteOpenError(path string, err error) error {
	return fmt.Errorf("the database %s cannot be opened: %w", path, err)
}
