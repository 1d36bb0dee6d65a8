package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"gatehouse/models/migrations"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
)

// versionTable holds a row 0 and one row for each applied migration.
const versionTable = "schema_migrations"

// We make the table ourselves, not goose: its version of it may double, and
// MySQL commits the CREATE TABLE before the row 0, without which goose stops.
const (
	createVersionsSQLite = `CREATE TABLE IF NOT EXISTS ` + versionTable + ` (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    version_id INTEGER NOT NULL UNIQUE,
    is_applied INTEGER NOT NULL,
    tstamp     TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)`
	createVersionsMySQL = `CREATE TABLE IF NOT EXISTS ` + versionTable + ` (
    id         BIGINT NOT NULL AUTO_INCREMENT,
    version_id BIGINT NOT NULL,
    is_applied BOOLEAN NOT NULL,
    tstamp     DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY schema_migrations_version_id (version_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`
)

// makeVersionTable makes the table and its row 0, whichever is missing.
func (d *DB) makeVersionTable(ctx context.Context) error {
	create := createVersionsSQLite
	if d.dialect == MySQL {
		create = createVersionsMySQL
	}
	if _, err := d.Exec(ctx, create); err != nil {
		return err
	}
	_, err := d.Exec(ctx, "INSERT INTO "+versionTable+" (version_id, is_applied) VALUES (?, ?)", 0, 1)
	if IsDuplicate(err) {
		return nil
	}
	return err
}

// appliedAt tells when each applied migration ran.
func (d *DB) appliedAt(ctx context.Context) (map[int64]time.Time, error) {
	at := map[int64]time.Time{}
	rows, err := d.main.QueryContext(ctx, "SELECT version_id, CAST(tstamp AS CHAR) FROM "+versionTable)
	if isMissingTable(err) {
		return at, nil
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var version int64
		var when string
		if err := rows.Scan(&version, &when); err != nil {
			return nil, err
		}
		if at[version], err = time.ParseInLocation(time.DateTime, when, time.UTC); err != nil {
			return nil, err
		}
	}
	return at, rows.Err()
}

// files are the migrations of this dialect.
func (d *DB) files() fs.FS {
	sub, err := fs.Sub(migrations.Files, d.dialect)
	if err != nil {
		panic(err) // the folders are embedded
	}
	return sub
}

// known lists the migrations of this binary in order, such as
// 00001_accounts.sql.
func (d *DB) known() ([]Migration, error) {
	entries, err := fs.ReadDir(d.files(), ".")
	if err != nil || len(entries) == 0 {
		return nil, fmt.Errorf("database: no migrations: %w", err)
	}
	list := make([]Migration, len(entries))
	for i, e := range entries {
		number, name, _ := strings.Cut(strings.TrimSuffix(e.Name(), ".sql"), "_")
		if list[i].Version, err = strconv.ParseInt(number, 10, 64); err != nil {
			return nil, fmt.Errorf("database: migration %s has no number: %w", e.Name(), err)
		}
		list[i].Name = name
	}
	return list, nil
}

// isMissingTable tells a database that was never migrated from a broken one.
func isMissingTable(err error) bool {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number == 1146
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && strings.Contains(e.Error(), "no such table")
}
