package server

import (
	"log/slog"
	"testing"
	"time"

	"gatehouse/config"
)

// A slow client must not hold a connection for as long as it likes, and a
// header must not be as long as it likes (ASVS 5.0, 15.2.2).
func TestAConnectionIsBoundedInTimeAndSize(t *testing.T) {
	r := &Rooms{Logger: slog.New(slog.DiscardHandler)}
	s := r.httpServer(nil)
	for name, c := range map[string]struct{ got, want time.Duration }{
		"header": {s.ReadHeaderTimeout, 10 * time.Second}, "body": {s.ReadTimeout, 30 * time.Second}, "idle": {s.IdleTimeout, 120 * time.Second},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
	if s.WriteTimeout <= 0 || s.MaxHeaderBytes != 32<<10 || stopTimeout > 10*time.Second {
		t.Errorf("writing %s, header %d bytes, stop %s", s.WriteTimeout, s.MaxHeaderBytes, stopTimeout)
	}
}

// The inbox hands out every code, so that one address that is not of this
// machine is enough to close it.
func TestTheInboxIsThereOnLoopbackAlone(t *testing.T) {
	for _, c := range []struct {
		app, listen, smtp string
		want              bool
	}{
		{"http://localhost:5000", "127.0.0.1:5000", "", true}, {"http://localhost:5000", "[::1]:5000", "", true},
		{"http://localhost:5000", "0.0.0.0:5000", "", false}, {"http://localhost:5000", ":5000", "", false},
		{"http://localhost:5000", "192.0.2.1:5000", "", false}, {"https://id.example.com", "127.0.0.1:5000", "", false},
		{"http://localhost.example.com:5000", "127.0.0.1:5000", "", false}, {"http://localhost:5000", "127.0.0.1:5000", "smtp://a.example", false},
	} {
		r := &Rooms{Config: config.Config{AppURL: c.app, ListenAddr: c.listen, SMTPURL: config.Secret(c.smtp)}}
		if got := r.devInbox(); got != c.want {
			t.Errorf("%+v: the inbox is there: %v", c, got)
		}
	}
}
