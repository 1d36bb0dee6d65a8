package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/testkit"
)

// A fault in one part of the background work must not end the process, which
// serves people meanwhile.
func TestBackgroundWorkThatPanicsIsLoggedAndBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		r := &Rooms{Logger: slog.New(slog.NewTextHandler(&said, nil))}
		ctx, stop := context.WithCancel(t.Context())
		runs := 0
		go func() {
			time.Sleep(time.Hour)
			stop()
		}()
		r.keep(ctx, func(ctx context.Context) {
			if runs++; runs < 4 {
				panic("it pours")
			}
			<-ctx.Done()
		})
		if runs != 4 || strings.Count(said.String(), "it pours") != 3 {
			t.Errorf("it began %d times and was told of as %s", runs, &said)
		}
	})
}

// Who sends on a connection that the stop is about to close would not know
// whether the request was done.
func TestAServerThatStopsIsNotReadyAndKeepsNoConnection(t *testing.T) {
	r := &Rooms{}
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r.leaving(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		return w
	}
	if r.stays(t.Context()) != nil || ask().Header().Get("Connection") != "" {
		t.Error("it says that it stops, and nobody told it to")
	}
	r.stopping.Store(true)
	if r.stays(t.Context()) == nil || ask().Header().Get("Connection") != "close" {
		t.Error("it stops, and does not say so")
	}
}

// A file on a network that is away hangs like a pipe at whose other end is nobody.
func TestACheckpointFileThatHangsKeepsNoServerFromStopping(t *testing.T) {
	file := filepath.Join(t.TempDir(), "checkpoints")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Skip(err)
	}
	var said bytes.Buffer
	r := &Rooms{Logger: slog.New(slog.NewTextHandler(&said, nil))}
	r.Checkpoints = audit.New(testkit.DB(t), time.Now).NewCheckpoints(audit.CheckpointOptions{File: file, Wall: time.Now, Log: testkit.Log(t)})
	stopped := make(chan struct{})
	go func() {
		r.lastCheckpoint(t.Context())
		close(stopped)
	}()
	select {
	case <-stopped:
		if !strings.Contains(said.String(), "took too long") {
			t.Errorf("it says %q", said.String())
		}
	case <-time.After(time.Minute):
		t.Error("it waits for ever")
	}
	pipe, err := os.OpenFile(file, os.O_RDWR, 0) // lets go what hangs
	if err != nil {
		t.Fatal(err)
	}
	_ = pipe.Close()
}
