package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// dirLock keeps a second server off one embedded database. It is a lock of the
// operating system on an open file: it ends with the process, however that
// ends, so that nothing has to be cleaned up after a kill -9.
type dirLock struct{ f *os.File }

// lockDatabase takes the lock beside the database file.
func lockDatabase(dbPath string) (*dirLock, error) {
	path := filepath.Clean(dbPath) + ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: cannot write in %s: %w", filepath.Dir(path), err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = f.Close()
		return nil, fmt.Errorf("another server is running on %s: stop it first, or set DATA_DIR for this one", dbPath)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("DATA_DIR: cannot lock %s: %w", path, err)
	}
	return &dirLock{f: f}, nil
}

// Close gives the lock back. The file stays: removing it would let two
// servers lock two different files of one name.
func (l *dirLock) Close() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}
