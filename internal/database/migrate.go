package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"gatehouse/models/migrations"

	"github.com/pressly/goose/v3"
)

// versionTable holds the applied migrations, one row each and a row 0.
const versionTable = "schema_migrations"

// Migration is one step of the schema.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero while it is pending
}

var errPending = errors.New("the database is not migrated: run the command migrate up")

// Migrate brings the schema up to date. It costs one read when it is.
func (d *DB) Migrate(ctx context.Context) error {
	current, err := d.current(ctx)
	if err != nil || current {
		return err
	}
	return d.exclusively(ctx, func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

// MigrateDown undoes the last migration.
func (d *DB) MigrateDown(ctx context.Context) error {
	return d.exclusively(ctx, func(p *goose.Provider) error {
		_, err := p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		}
		return err
	})
}

// Migrations lists every migration that this binary knows.
func (d *DB) Migrations(ctx context.Context) ([]Migration, error) {
	var list []Migration
	err := d.provide(func(p *goose.Provider) error {
		states, err := p.Status(ctx)
		for _, s := range states {
			list = append(list, Migration{Version: s.Source.Version, Name: migrationName(s.Source.Path), AppliedAt: s.AppliedAt})
		}
		return err
	})
	return list, err
}

// migrationName is "accounts" for "00001_accounts.sql".
func migrationName(path string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(path, ".sql"), "_")
	return name
}

// Ready is nil when the schema is current and can be read.
func (d *DB) Ready(ctx context.Context) error {
	current, err := d.current(ctx)
	if err == nil && !current {
		err = errPending
	}
	return err
}

// current compares the applied migrations with those of this binary. A database
// that a newer binary has migrated is refused: this one does not know its rules.
func (d *DB) current(ctx context.Context) (bool, error) {
	count, latest, err := d.known()
	if err != nil {
		return false, err
	}
	var applied int
	var newest sql.NullInt64
	err = d.main.QueryRowContext(ctx, "SELECT COUNT(*), MAX(version_id) FROM "+versionTable).Scan(&applied, &newest)
	if isMissingTable(err) {
		return false, nil
	}
	if err != nil {
		return false, Unavailable(err)
	}
	if newest.Int64 > latest {
		return false, fmt.Errorf("the database has the schema %d of a newer version; this one knows up to %d: start the newer one", newest.Int64, latest)
	}
	return applied == count+1 && newest.Int64 == latest, nil
}

// files are the migrations of this dialect.
func (d *DB) files() fs.FS {
	sub, err := fs.Sub(migrations.Files, d.dialect)
	if err != nil {
		panic(err) // the folders are embedded
	}
	return sub
}

// known counts the migrations of this binary and tells the latest.
func (d *DB) known() (count int, latest int64, err error) {
	entries, err := fs.ReadDir(d.files(), ".")
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("database: migration %s has no number: %w", e.Name(), err)
		}
		count, latest = count+1, max(latest, n)
	}
	return count, latest, err
}

// provide hands fn goose on connections of its own, which may take long.
func (d *DB) provide(fn func(*goose.Provider) error) error {
	pool, err := d.migrator()
	if err != nil {
		return err
	}
	defer pool.Close()
	dialect := goose.DialectSQLite3
	if d.dialect == MySQL {
		dialect = goose.DialectMySQL
	}
	p, err := goose.NewProvider(dialect, pool, d.files(), goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return Unavailable(fn(p))
}

// exclusively hands goose to one process at a time.
func (d *DB) exclusively(ctx context.Context, fn func(*goose.Provider) error) error {
	return d.provide(fn)
}

func isMissingTable(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "Error 1146"))
}
