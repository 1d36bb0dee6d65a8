package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// cacheKiB is the page cache of all connections together, as the process
	// takes it from the system.
	cacheKiB = 32 << 10
	// pageKiB is what a cached page of 4 KB takes. SQLite asks for it and its
	// header in one piece, of which the allocator (modernc.org/memory) makes the
	// next power of two, seven in 64 KB. A cache_size in KiB counts half of that,
	// so that the caches would take twice what they may.
	pageKiB = 9
	// defaultReadConns reading connections keep the processors of a small
	// machine busy; each has a page cache of its own.
	defaultReadConns = 4
)

// openSQLite opens the file at path with one writing and some reading
// connections. The readers connect when they are needed.
func (d *DB) openSQLite(ctx context.Context, path string, o Options) error {
	d.dialect = SQLite
	if path == "" || strings.HasPrefix(path, ":") || strings.Contains(path, "\x00") {
		return errors.New("DATABASE_URL: want sqlite: and the path of a file")
	}
	if err := makeFile(path); err != nil {
		return sqliteOpenError(path, err)
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
	readers := o.ReadConns
	if readers <= 0 {
		readers = defaultReadConns
	}
	if d.main, err = sqlitePool(path, cacheKiB*3/4/readers, true); err != nil {
		return err
	}
	d.main.SetMaxOpenConns(readers)
	d.main.SetMaxIdleConns(readers)
	d.writer.letGo.Store(new(func() {
		d.main.SetMaxIdleConns(0)
		d.main.SetMaxIdleConns(readers)
	}))
	d.migrator = func() (*sql.DB, error) { return sqlitePool(path, cacheKiB/4, false) }
	return d.openGORM(&sqliteDialector{pool: d.main})
}

// makeFile makes an empty file that nobody else can read, if there is none.
// SQLite itself would give it to the group, and is told never to make one: a
// server whose disk went away must not go on with an empty database.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
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
	q.Add("_pragma", "cache_size("+strconv.Itoa(cacheKiB/pageKiB)+")")
	q.Add("_pragma", "temp_store(memory)")
	if queryOnly {
		q.Set("_query_only", "on")
	} else {
		q.Set("_journal_mode", "WAL")
	}
	q.Set("_synchronous", "FULL")
	q.Set("mode", "rw")
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// sqliteOpenError says what is wrong with the file, in one line.
func sqliteOpenError(path string, err error) error {
	why := err.Error()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		why = e.Err.Error()
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB:
			why = "it is not a SQLite database"
		case sqlite3.SQLITE_BUSY:
			why = "another program holds it"
		case sqlite3.SQLITE_READONLY:
			why = "the file or its folder is read-only"
		case sqlite3.SQLITE_CORRUPT:
			why = "it is damaged: restore a backup"
		}
	}
	return &openError{text: fmt.Sprintf("the database %s cannot be opened: %s", path, why), cause: err}
}

// openError is one line for the operator, with the cause behind it.
type openError struct {
	text  string
	cause error
}

// Error implements error.
func (e *openError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *openError) Unwrap() error { return e.cause }
