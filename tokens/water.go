package tokens

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"gatehouse/models"
)

// The high-water file stands beside an embedded database and says how far its
// revocation log was when a server last read it. An older copy of the database
// that somebody puts in its place is shorter than the file says. The file holds
// what was read from committed data, so it is never ahead of a database that
// lost nothing; without it nothing is known, which is no fault.
const (
	waterHead = "gatehouse-high-water"
	waterForm = "1"
	maxWater  = 256
)

// water is what the file says.
type water struct {
	logID models.ID
	seq   int64
	hash  [32]byte
}

var errWater = errors.New("it is not a high-water file")

func (w water) text() string {
	return fmt.Sprintf("%s %s %s %d %x\n", waterHead, waterForm, w.logID, w.seq, w.hash)
}

// parseWater reads the one spelling that text writes.
func parseWater(b []byte) (w water, err error) {
	words := strings.Fields(string(b))
	if len(b) > maxWater || len(words) != 5 || words[0] != waterHead || words[1] != waterForm {
		return water{}, errWater
	}
	id, errID := uuid.Parse(words[2])
	seq, errSeq := strconv.ParseInt(words[3], 10, 64)
	hash, errHash := hex.DecodeString(words[4])
	if errors.Join(errID, errSeq, errHash) != nil || len(hash) != len(w.hash) || seq < 0 {
		return water{}, errWater
	}
	w = water{logID: models.ID(id), seq: seq, hash: [32]byte(hash)}
	if w.text() != string(b) || w.logID.IsZero() {
		return water{}, errWater
	}
	return w, nil
}

// waterFile is the file and what was last written into it.
type waterFile struct {
	path    string
	written water
	failing bool
}

// read returns false when there is no file.
func (f *waterFile) read() (water, bool, error) {
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return water{}, false, nil
	}
	if err != nil {
		return water{}, false, fmt.Errorf("the high-water file of the database cannot be read: %w", err)
	}
	w, err := parseWater(b)
	if err != nil {
		return water{}, false, fmt.Errorf("%s is damaged, so nobody can tell whether the database was put back: run restore if it was, or else delete the file", f.path)
	}
	return w, true, nil
}

// write replaces the file whole. A crash leaves the old one or the new one, and
// both are of the past, as they must be.
func (f *waterFile) write(w water) error {
	if w == f.written {
		return nil
	}
	next, err := os.OpenFile(f.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = next.WriteString(w.text())
	if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		return err
	}
	f.written = w
	return nil
}

// UseHighWater has the log keep its high-water mark in the file at path. Call it
// before Start, for the one server of an embedded database.
func (l *Log) UseHighWater(path string) { l.water = &waterFile{path: path} }

// keepWater writes down how far the log was read. The caller holds following.
func (l *Log) keepWater() {
	if l.water == nil {
		return
	}
	w := water{logID: l.logID, seq: l.cursor}
	copy(w.hash[:], l.head)
	err := l.water.write(w)
	if failing := err != nil; failing != l.water.failing {
		l.water.failing = failing
		if failing {
			l.log.Error("the high-water file of the database cannot be written; a restore by hand may not be recognised", "error", err)
		}
	}
}

// checkWater compares the file with the database before anything else is
// believed. The caller holds following.
func (l *Log) checkWater(ctx context.Context) error {
	if l.water == nil {
		return nil
	}
	w, ok, err := l.water.read()
	if err != nil || !ok {
		return err
	}
	l.water.written = w // a start that finds nothing new writes nothing
	e := Evidence{Why: WhyFile, holds: func(tx *gorm.DB) (bool, error) { return lacks(tx, w.logID, w.seq, w.hash[:]) }}
	if w.logID != l.logID {
		known, err := l.left(ctx, w.logID)
		if err != nil || known {
			return err
		}
		l.log.Warn("the high-water file beside the database is of another revocation log", "file", w.logID.String(), "database", l.logID.String())
		e = neverLeft(w.logID)
	}
	if _, err := l.renewer.renew(ctx, l.logID, e, false); err != nil && !errors.Is(err, errUnfounded) {
		return err
	}
	row, err := l.deployment(ctx)
	l.logID = row.LogID
	return err
}
