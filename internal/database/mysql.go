package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	gormmysql "gorm.io/driver/mysql"
)

const (
	dialTimeout = 5 * time.Second
	// ioTimeout bounds one answer of the server; a statement waits for a lock
	// for at most lockWait.
	ioTimeout = 30 * time.Second
	// migrationTimeout is for ALTER TABLE on millions of rows.
	migrationTimeout = 30 * time.Minute
	// maxLifetime lets connections move to other servers behind a proxy, and
	// away from one that became read-only.
	maxLifetime = 5 * time.Minute
)

var errDSN = errors.New("DATABASE_URL: want mysql://USER:PASSWORD@tcp(HOST:PORT)/NAME or mysql://USER@unix(/PATH/SOCKET)/NAME")

// openMySQL opens the pool for a DSN of the Go driver.
func (d *DB) openMySQL(ctx context.Context, dsn string, o Options) error {
	d.dialect = MySQL
	cfg, err := mysqlConfig(dsn)
	if err != nil {
		return err
	}
	d.lines = newLines()
	d.watcher = func() (*sql.DB, error) { return watchPool(cfg) }
	counted := cfg.Clone()
	counted.DialFunc = d.lines.dial
	if d.main, err = mysqlPool(counted, &d.galera); err != nil {
		return err
	}
	size := o.ReadConns
	if size <= 0 {
		size = min(max(8*runtime.GOMAXPROCS(0), 16), 64)
	}
	// As many idle as open: with the default of two, every burst would connect anew.
	d.main.SetMaxOpenConns(size)
	d.main.SetMaxIdleConns(size)
	d.main.SetConnMaxLifetime(maxLifetime)
	if err := d.inspect(ctx, cfg); err != nil {
		return err
	}
	// A CREATE TABLE ends a transaction on purpose, and no conflict did it.
	d.migrator = func() (*sql.DB, error) { return mysqlPool(migrationConfig(cfg), nil) }
	return d.openGORM(gormmysql.New(gormmysql.Config{Conn: d.main, SkipInitializeWithVersion: true}))
}

// mysqlConfig parses dsn and puts our settings over it. The parser's own error
// is not passed on, because it may quote a piece of the password.
func mysqlConfig(dsn string) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil || cfg.DBName == "" {
		return nil, errDSN
	}
	cfg.ParseTime = false // times are integers
	cfg.Loc = time.UTC
	cfg.ClientFoundRows = false // an UPDATE must change a column to count
	cfg.InterpolateParams = false
	cfg.MultiStatements = false
	cfg.AllowAllFiles = false
	cfg.ColumnsWithAlias = false
	cfg.CheckConnLiveness = true
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	cfg.Logger = quiet{}
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	// Strict: nothing is cut, rounded or guessed silently.
	cfg.Params["sql_mode"] = "'TRADITIONAL'"
	cfg.Params["time_zone"] = "'+00:00'"
	cfg.Params["innodb_lock_wait_timeout"] = "5"
	return cfg, cfg.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin"))
}

// migrationConfig waits longer for answers.
func migrationConfig(cfg *mysql.Config) *mysql.Config {
	cfg = cfg.Clone()
	cfg.ReadTimeout, cfg.WriteTimeout = migrationTimeout, migrationTimeout
	return cfg
}

// quiet drops the driver's own lines: what they say comes back as an error.
type quiet struct{}

// Print implements mysql.Logger.
func (quiet) Print(...any) {}

func mysqlPool(cfg *mysql.Config, cluster *atomic.Bool) (*sql.DB, error) {
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, errDSN
	}
	return sql.OpenDB(connector{Connector: c, greet: readCommitted, cluster: cluster}), nil
}

// readCommitted makes every SELECT of a transaction see what is committed, as
// on SQLite, and avoids the gap locks of MySQL's default level, which make
// inserts of different rows deadlock.
func readCommitted(ctx context.Context, c driver.ExecerContext) error {
	_, err := c.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil)
	return err
}

// inspect asks the server once who it is and warns of unsafe settings.
func (d *DB) inspect(ctx context.Context, cfg *mysql.Config) error {
	vars, err := d.variables(ctx)
	if err != nil {
		return mysqlOpenError(cfg, err)
	}
	d.galera.Store(strings.EqualFold(vars["wsrep_on"], "ON"))
	if v := vars["innodb_flush_log_at_trx_commit"]; v != "" && v != "1" {
		d.log.Warn("innodb_flush_log_at_trx_commit is not 1: a crash of the database server can lose what was answered with success",
			slog.String("value", v))
	}
	return nil
}

// UnsafeFlush names a setting by which a crash can lose committed work, "" when
// there is none. On SQLite it is the journal that counts: the flush of every
// commit is set by us on each connection that writes.
func (d *DB) UnsafeFlush(ctx context.Context) (string, error) {
	if d.dialect == SQLite {
		var mode string
		if err := d.main.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
			return "", err
		}
		if !strings.EqualFold(mode, "wal") {
			return "journal_mode is " + mode, nil
		}
		return "", nil
	}
	vars, err := d.variables(ctx)
	if err != nil {
		return "", err
	}
	if v := vars["innodb_flush_log_at_trx_commit"]; v != "" && v != "1" {
		return "innodb_flush_log_at_trx_commit is " + v, nil
	}
	return "", nil
}

// variables reads the settings of the server that matter to us.
func (d *DB) variables(ctx context.Context) (map[string]string, error) {
	rows, err := d.main.QueryContext(ctx,
		"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'wsrep_on', 'version')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	vars := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		vars[strings.ToLower(name)] = value
	}
	return vars, rows.Err()
}

// mysqlOpenError says in one line which server did not answer and why, without
// the password.
func mysqlOpenError(cfg *mysql.Config, err error) error {
	return fmt.Errorf("the database %s on %s(%s) cannot be used as user %q: %w", cfg.DBName, cfg.Net, cfg.Addr, cfg.User, err)
}
