package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gatehouse/config"
	"gatehouse/internal/secrets"
)

const secretFile = "secret.key"

// masterKey returns SECRET_KEY, or with the embedded database the key that was
// made once in DATA_DIR. A new one is only ever made when there is no database
// yet: with a database, its sealed rows need the old key, and a fresh one
// would hide the loss.
func masterKey(c config.Config) ([]byte, error) {
	if c.SecretKey != "" {
		return config.DecodeSecretKey(c.SecretKey.Reveal())
	}
	path := filepath.Join(c.DataDir, secretFile)
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		key, err := config.DecodeSecretKey(string(trimNewline(b)))
		if err != nil {
			return nil, fmt.Errorf("%s: holds no secret key: put the saved one back, or set SECRET_KEY", path)
		}
		return key, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := os.Stat(c.SQLitePath()); err == nil {
		return nil, fmt.Errorf("%s: is missing, and the database needs it: put the saved one back, or set SECRET_KEY", path)
	}
	return makeKey(path)
}

// keyBeforeDatabase makes the key of an embedded database that is about to be
// made, also for a command that seals nothing: a database without a key is
// taken for one that has lost it.
func keyBeforeDatabase(c config.Config) error {
	if !c.UsesSQLite() {
		return nil
	}
	if _, err := os.Stat(c.SQLitePath()); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, err := masterKey(c)
	return err
}

// newBox is the box of SECRET_KEY, and of SECRET_KEY_OLD while there is one.
func newBox(c config.Config) (*secrets.Box, error) {
	key, err := masterKey(c)
	if err != nil {
		return nil, err
	}
	var old []byte
	if c.SecretKeyOld != "" {
		if old, err = config.DecodeSecretKey(c.SecretKeyOld.Reveal()); err != nil {
			return nil, err
		}
	}
	return secrets.NewBoxWithOld(key, old)
}

func makeKey(path string) ([]byte, error) {
	key := secrets.Random(32)
	// O_EXCL lets one of two first starts make the key; the other reads it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: cannot write %s: %w", path, err)
	}
	defer f.Close()
	if _, err := f.WriteString(hex.EncodeToString(key) + "\n"); err != nil {
		return nil, err
	}
	// The key must be on the disk before the first row is sealed with it.
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return key, nil
}

func trimNewline(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}
