package testkit

import (
	"bytes"
	"log/slog"
	"testing"

	"gatehouse/internal/secrets"
)

// Box seals with a key that is the same in every test.
func Box(t testing.TB) *secrets.Box {
	t.Helper()
	box, err := secrets.NewBox(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// Log writes to the output of the test, which is shown when it fails.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Discard is a log for tests that make more noise than anybody reads.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
