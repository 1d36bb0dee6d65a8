package testkit

import (
	"context"
	"os"

	"gatehouse/internal/database"
)

// makeTemplate migrates a new file and returns it. Closing the database folds
// its write-ahead log into the file.
func makeTemplate(path string) ([]byte, error) {
	ctx := context.Background()
	db, err := database.Open(ctx, database.Options{URL: "sqlite:" + path, Clock: NewClock().Now})
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
