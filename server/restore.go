package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gatehouse/config"
	"gatehouse/internal/database"
	"gatehouse/tokens"
)

// Restore says what to put back.
type Restore struct {
	// File is a backup of an embedded database; "" takes the database as it
	// is, after somebody put it back with other tools.
	File         string
	KeepSessions bool
}

// Restored says what was done.
type Restored struct {
	Database string `json:"database"`
	// Aside is where the database of before is, "" when there was none.
	Aside        string           `json:"aside,omitempty"`
	Log          string           `json:"log_id"`
	SessionsKept bool             `json:"sessions_kept"`
	Ended        map[string]int64 `json:"ended"`
}

var errRestoreFile = errors.New("restore FILE is for SQLite; with MySQL stop every node, load the dump with mariadb, and run restore without a file")

// highWater is the file that remembers how far the log of an embedded database
// was.
func highWater(c config.Config) string { return filepath.Clean(c.SQLitePath()) + ".high-water" }

// RestoreDatabase puts a backup in the place of the database, and ends all that
// may have come back to life with it, before any server can serve from it: the
// copy becomes the database only after everything in it has ended.
func RestoreDatabase(ctx context.Context, c config.Config, o Restore, errOut io.Writer) (Restored, error) {
	if !c.UsesSQLite() {
		if o.File != "" {
			return Restored{}, errRestoreFile
		}
		return renewed(ctx, c, o, errOut)
	}
	if err := makeDataDir(c); err != nil {
		return Restored{}, err
	}
	lock, err := lockDatabase(c.SQLitePath())
	if err != nil {
		return Restored{}, err
	}
	defer lock.Close()
	if o.File == "" {
		if _, err := os.Stat(c.SQLitePath()); err != nil {
			return Restored{}, errors.New("there is no database at " + c.SQLitePath())
		}
		done, err := renewed(ctx, c, o, errOut)
		return done, errors.Join(err, forgetHighWater(c, err))
	}
	return restoreFile(ctx, c, o, errOut)
}

// forgetHighWater removes what was known of the database of before. If the
// process ends before it does, the next start renews once more.
func forgetHighWater(c config.Config, failed error) error {
	if failed != nil {
		return nil
	}
	if err := os.Remove(highWater(c)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func restoreFile(ctx context.Context, c config.Config, o Restore, errOut io.Writer) (Restored, error) {
	path := filepath.Clean(c.SQLitePath())
	next := path + ".restoring"
	defer removeDatabase(next) // of an attempt that failed; a good one has been renamed
	removeDatabase(next)
	for _, part := range []string{"", "-wal"} { // a copy made by hand may have its log beside it
		if err := copyFile(o.File+part, next+part); err != nil && (part == "" || !errors.Is(err, fs.ErrNotExist)) {
			return Restored{}, err
		}
	}
	prepared := c
	prepared.DatabaseURL = config.Secret("sqlite:" + next)
	if err := checkBackup(ctx, prepared, next, errOut); err != nil {
		return Restored{}, fmt.Errorf("%s cannot be restored, nothing was changed: %w", o.File, err)
	}
	done, err := renewed(ctx, prepared, o, errOut)
	if err != nil {
		return Restored{}, err
	}
	if _, err := os.Stat(next + "-wal"); err == nil {
		return Restored{}, fmt.Errorf("%s is still open somewhere, nothing was changed", next)
	}
	if done.Aside, err = putAside(ctx, c, path, errOut); err != nil {
		return Restored{}, err
	}
	if err := os.Rename(next, path); err != nil {
		return Restored{}, err
	}
	done.Database = path
	return done, errors.Join(syncDir(filepath.Dir(path)), forgetHighWater(c, nil))
}

// renewed ends everything in the database of c.
func renewed(ctx context.Context, c config.Config, o Restore, errOut io.Writer) (Restored, error) {
	rooms, err := OpenRooms(ctx, c, errOut)
	if err != nil {
		return Restored{}, err
	}
	r, err := rooms.Tokens.Restored(ctx, o.KeepSessions)
	if err = errors.Join(err, rooms.Close()); err != nil {
		return Restored{}, err
	}
	where := "MySQL"
	if c.UsesSQLite() {
		where = c.SQLitePath()
	}
	return restored(where, r), nil
}

func restored(where string, r *tokens.Renewal) Restored {
	return Restored{Database: where, Log: r.LogID.String(), SessionsKept: r.KeepSessions, Ended: r.Ended}
}

func checkBackup(ctx context.Context, c config.Config, path string, errOut io.Writer) error {
	db, err := database.Open(ctx, database.Options{URL: c.DatabaseURL.Reveal(), Clock: time.Now, Log: newLogger(c, errOut)})
	if err != nil {
		return err
	}
	return errors.Join(db.CheckBackup(ctx, path), db.Close())
}

// putAside gives the database of before a second name, so that the rename that
// follows replaces it at one stroke: there is no moment without a database, at
// which a server would make an empty one.
func putAside(ctx context.Context, c config.Config, path string, errOut io.Writer) (string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	// Opening and closing brings what waits in its log into the file. One that
	// is too damaged for it is put aside with its log as it is.
	if db, err := OpenDatabase(ctx, c, errOut); err == nil {
		_ = db.Ready(ctx)
		_ = db.Close()
	}
	aside := path + "." + time.Now().UTC().Format("20060102T150405.000Z")
	for _, part := range []string{"-wal", ""} {
		if err := os.Link(path+part, aside+part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("the database of before cannot be kept, nothing was changed: %w", err)
		}
	}
	for _, part := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return aside, nil
}

func removeDatabase(path string) {
	for _, part := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(path + part)
	}
}

// copyFile makes a durable copy that nobody else can read.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
