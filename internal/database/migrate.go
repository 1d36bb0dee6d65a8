package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gatehouse/internal/apperr"

	"github.com/pressly/goose/v3"
)

// Migration is one step of the schema.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero while it is pending
}

var errPending = errors.New("the database is not migrated: run the command migrate up")

// Migrate brings the schema up to date. When it is, that costs one read.
func (d *DB) Migrate(ctx context.Context) error {
	if current, err := d.current(ctx); err != nil || current {
		return err
	}
	return d.exclusively(ctx, d.up)
}

func (d *DB) up(ctx context.Context) error {
	// Somebody else may have migrated while we waited for the lease.
	if current, err := d.current(ctx); err != nil || current {
		return err
	}
	if err := d.makeVersionTable(ctx); err != nil {
		return err
	}
	return d.goose(func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

// MigrateDown undoes the last migration; without one it does nothing.
func (d *DB) MigrateDown(ctx context.Context) error {
	if _, err := d.current(ctx); err != nil {
		return err
	}
	return d.exclusively(ctx, d.down)
}

func (d *DB) down(ctx context.Context) error {
	if err := d.makeVersionTable(ctx); err != nil {
		return err
	}
	return d.goose(func(p *goose.Provider) error {
		_, err := p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		}
		return err
	})
}

// goose hands fn the tool that runs the files, on connections of its own, which
// may take long.
func (d *DB) goose(fn func(*goose.Provider) error) error {
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
		return err
	}
	return fn(p)
}

// Migrations lists every migration that this binary knows. It changes nothing.
func (d *DB) Migrations(ctx context.Context) ([]Migration, error) {
	list, err := d.known()
	if err != nil {
		return nil, err
	}
	applied, err := d.appliedAt(ctx)
	if err != nil {
		return nil, Unavailable(err)
	}
	for i := range list {
		list[i].AppliedAt = applied[list[i].Version]
	}
	return list, nil
}

// Ready is nil when the schema is current and can be read.
func (d *DB) Ready(ctx context.Context) error {
	current, err := d.current(ctx)
	if err == nil && !current {
		return apperr.NotNow(retryAfter, errPending)
	}
	return err
}

// current compares the applied migrations with those of this binary. A database
// that a newer binary has migrated is refused: this one does not know its rules.
func (d *DB) current(ctx context.Context) (bool, error) {
	list, err := d.known()
	if err != nil {
		return false, err
	}
	latest := list[len(list)-1].Version
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
		return false, fmt.Errorf("the database has schema %d, made by a newer version of the program; this one knows schemas up to %d: use the newer one", newest.Int64, latest)
	}
	return applied == len(list)+1 && newest.Int64 == latest, nil
}
