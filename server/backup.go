package server

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"gatehouse/config"
)

// errMySQLBackup is a whole answer: a MySQL database has better tools.
var errMySQLBackup = errors.New("backup is for SQLite; with MySQL use: mariadb-dump --single-transaction NAME > FILE (all tables and the view admissions; keep SECRET_KEY with it)")

// BackupDone says what a backup holds.
type BackupDone struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	// SecretKey is the file that the backup cannot be opened without, "" when
	// the key comes from SECRET_KEY.
	SecretKey string `json:"secret_key,omitempty"`
}

// Backup copies the embedded database into a new file, beside a running server.
func Backup(ctx context.Context, c config.Config, file string, errOut io.Writer) (done BackupDone, err error) {
	if !c.UsesSQLite() {
		return done, errMySQLBackup
	}
	if _, err := os.Stat(c.SQLitePath()); err != nil {
		return done, errors.New("there is no database at " + c.SQLitePath())
	}
	db, err := OpenDatabase(ctx, c, errOut)
	if err != nil {
		return done, err
	}
	defer db.Close()
	if err := db.Backup(ctx, file); err != nil {
		return done, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return done, err
	}
	done = BackupDone{File: file, Bytes: info.Size()}
	if c.SecretKey == "" {
		done.SecretKey = filepath.Join(c.DataDir, secretFile)
	}
	return done, syncDir(filepath.Dir(file))
}

// syncDir makes names of files durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
