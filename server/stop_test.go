package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
