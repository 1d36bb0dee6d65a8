package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

var errNotOurs = errors.New("it holds no Gatehouse tables")

// Backup writes everything that is committed now into a new file, which nobody
// else can read (it holds password hashes), and checks it. It works beside a
// running server, which goes on writing. A file that is there already is left
// alone. It is for SQLite.
func (d *DB) Backup(ctx context.Context, path string) (err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: a backup never overwrites a file", path)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	pool, err := d.migrator()
	if err != nil {
		return err
	}
	defer pool.Close()
	// SQLite writes into an empty file as into one that is not there.
	if _, err := pool.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("the backup cannot be written: %w", err)
	}
	if err := checkFile(ctx, path); err != nil {
		return err
	}
	return f.Sync()
}

func checkFile(ctx context.Context, path string) error {
	pool, err := sqlitePool(path, cacheKiB/4, true)
	if err != nil {
		return err
	}
	defer pool.Close()
	var verdict string
	if err := pool.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return sqliteOpenError(path, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%s is damaged: %s", path, verdict)
	}
	return nil
}

// CheckBackup says whether the SQLite file at path is whole, is one of ours, and
// was made by a version that this one can follow.
func (d *DB) CheckBackup(ctx context.Context, path string) error {
	if err := checkFile(ctx, path); err != nil {
		return err
	}
	if _, err := d.current(ctx); err != nil {
		return err
	}
	list, err := d.Migrations(ctx)
	if err != nil {
		return err
	}
	if list[0].AppliedAt.IsZero() {
		return errNotOurs
	}
	return nil
}
