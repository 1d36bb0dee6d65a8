package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// appendNote adds a note to a file and makes it durable. The file is only ever
// added to, so that it may lie where nothing else is allowed (chattr +a). One
// write holds the whole note: two processes that share the file do not mix.
func appendNote(path, note string) error {
	_, missing := os.Stat(path)
	// Everybody may read it: what is in it proves something and tells nothing.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := separator(f)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(before + note + "\n"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil || !errors.Is(missing, fs.ErrNotExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// separator is what keeps the next note apart from a piece that a full disk or a
// crash left at the end.
func separator(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return "", err
	}
	end := make([]byte, min(2, info.Size()))
	if _, err := f.ReadAt(end, info.Size()-int64(len(end))); err != nil {
		return "", err
	}
	if string(end) == "\n\n" {
		return "", nil
	}
	return "\n\n", nil
}

// lastCheckpoint is the newest one of a file that key signed; its Batch is 0 when
// there is none.
func lastCheckpoint(path string, keys []PublicKey) (last Checkpoint, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return last, err
	}
	defer f.Close()
	list, _, err := ReadCheckpoints(f, keys)
	if err != nil {
		return last, fmt.Errorf("%s: %w", path, err)
	}
	if len(list) > 0 {
		last = list[len(list)-1]
	}
	return last, nil
}
