package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"gatehouse/internal/metrics"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// The names of the dialects, as DB.Dialect tells them.
const (
	SQLite = "sqlite"
	MySQL  = "mysql"
)

// Options say which database to open and whom to tell about it.
type Options struct {
	// URL is "sqlite:" and a path, or "mysql://" and a DSN of the Go driver.
	URL string
	// Clock gives the time of leases and of GORM's own time stamps.
	Clock func() time.Time
	// Log gets warnings; nil is silence.
	Log *slog.Logger
	// Metrics learns of the pool; nil is fine.
	Metrics *metrics.Metrics
	// ReadConns is the number of reading connections on SQLite and of all
	// connections on MySQL; 0 is a good number for the machine.
	ReadConns int
}

// DB is the open database. Its methods are safe for many goroutines.
type DB struct {
	dialect string
	clock   func() time.Time
	log     *slog.Logger
	// main is the pool that reads; on MySQL it writes too.
	main *sql.DB
	// gorm runs on main. Write hands out sessions of it on other connections.
	gorm *gorm.DB
	// writer is SQLite's; nil on MySQL.
	writer *writer
	// galera is set when this server is a node of a Galera cluster.
	galera atomic.Bool
	// lines are the connections to a server, and watcher opens the one that asks
	// whether it is there; nil with an embedded database.
	lines   *lines
	watcher func() (*sql.DB, error)
	// migrator opens the connections of the migrations, which may take long.
	migrator func() (*sql.DB, error)
}

// Open connects and checks that the database answers. It does not migrate. Its
// errors are one line each, without the password.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Clock == nil {
		return nil, errors.New("database: Options.Clock is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &DB{clock: o.Clock, log: o.Log}
	var err error
	switch scheme, rest, _ := strings.Cut(o.URL, ":"); scheme {
	case SQLite:
		err = d.openSQLite(ctx, rest, o)
	case MySQL:
		err = d.openMySQL(ctx, strings.TrimPrefix(rest, "//"), o)
	default:
		// The value is not repeated, because it may hold a password.
		err = errors.New("DATABASE_URL: want sqlite:PATH or mysql://USER:PASSWORD@tcp(HOST:PORT)/NAME")
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	o.Metrics.DBPool(d.Stats)
	return d, nil
}

// Dialect is "sqlite" or "mysql".
func (d *DB) Dialect() string { return d.dialect }

// Stats describes the main pool.
func (d *DB) Stats() sql.DBStats { return d.main.Stats() }

// Close waits for the writer's current group and closes every connection.
func (d *DB) Close() error {
	var errs []error
	if d.writer != nil {
		errs = append(errs, d.writer.close())
	}
	if d.main != nil {
		errs = append(errs, d.main.Close())
	}
	return errors.Join(errs...)
}

// openGORM puts GORM on the main pool. GORM neither logs (its lines would hold
// secrets), nor starts transactions of its own, nor prepares: the connections
// do that themselves, see conn.
func (d *DB) openGORM(dialector gorm.Dialector) error {
	g, err := gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true,
		TranslateError:         true,
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard,
		NowFunc:                func() time.Time { return d.clock().UTC() },
	})
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	d.gorm = g
	return nil
}

// Read returns GORM on a reading connection, bound to ctx.
func (d *DB) Read(ctx context.Context) *gorm.DB { return d.gorm.WithContext(ctx) }

// ReadRow reads the row of a key, for the few statements that nearly every
// request runs. It goes past GORM, which writes a statement anew for each call,
// byte by byte; give the error of Scan to Unavailable. On SQLite the read takes
// microseconds, and as long again for the two goroutines that would wait for
// the end of ctx meanwhile, so it is not interrupted once it began.
func (d *DB) ReadRow(ctx context.Context, query string, args ...any) *sql.Row {
	if d.dialect == SQLite && ctx.Err() == nil {
		ctx = context.WithoutCancel(ctx)
	}
	return d.main.QueryRowContext(ctx, query, args...)
}

// Exec is tx.Exec for the few statements that nearly every transaction runs,
// past GORM for the reason of DB.ReadRow. It returns how many rows changed.
func Exec(tx *gorm.DB, query string, args ...any) (rows int64, err error) {
	rows, err = affected(tx.Statement.ConnPool.ExecContext(tx.Statement.Context, query, args...))
	if IsDuplicate(err) {
		err = gorm.ErrDuplicatedKey
	}
	return rows, err
}

// on returns a session of GORM that runs on one connection or transaction.
func (d *DB) on(ctx context.Context, pool gorm.ConnPool) *gorm.DB {
	tx := d.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
	tx.Statement.ConnPool = pool
	return tx
}

// Write runs fn in one transaction and returns after its durable commit. What
// fn returns is returned as it is, after its work was undone. fn may run twice,
// so it has no effect outside tx; it must be short, and must not call Write.
// A storage error is an apperr.Error of kind Unavailable.
func (d *DB) Write(ctx context.Context, fn func(tx *gorm.DB) error) error {
	if d.writer == nil {
		return d.writeMySQL(ctx, fn)
	}
	return d.writer.do(ctx, func(pool gorm.ConnPool) error {
		return fn(d.on(context.WithoutCancel(ctx), pool))
	})
}

// afterwards is how long a write may take that does not end with its caller, as
// long as it may wait for one lock.
const afterwards = 5 * time.Second

// Afterwards is ctx for what has to be written even when the caller is gone, such
// as the record of what was refused: whoever could end it by hanging up would leave
// no trace. It ends by itself after five seconds, because a connection that waits
// for somebody else's lock must not be kept from everybody.
func Afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterwards)
}

// Exec runs one statement in a transaction of its own and returns how many rows
// it changed: one round trip on MySQL, a part of the group on SQLite.
func (d *DB) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if d.writer == nil {
		return d.execMySQL(ctx, query, args)
	}
	var rows int64
	err := d.writer.do(ctx, func(pool gorm.ConnPool) (err error) {
		rows, err = affected(pool.ExecContext(context.WithoutCancel(ctx), query, args...))
		return err
	})
	if err != nil {
		return 0, translate(err)
	}
	return rows, nil
}

// affected is the row count of a result, or the error of its statement.
func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
