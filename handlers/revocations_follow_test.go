package handlers_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse/internal/testserver"
	"gatehouse/verify"
)

// listening is a server on a socket, with its log at work.
func listening(t *testing.T) (*testserver.Server, *httptest.Server) {
	t.Helper()
	var wire net.ListenConfig
	l, err := wire.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := testserver.New(t, func(o *testserver.Options) { o.AppURL = "http://" + l.Addr().String() })
	web := &httptest.Server{Listener: l, Config: &http.Server{Handler: s.Handler, ReadHeaderTimeout: time.Minute}}
	web.Config.RegisterOnShutdown(s.StopFeeds)
	web.Start()
	s.Follow()
	t.Cleanup(func() {
		_ = web.Config.Shutdown(context.WithoutCancel(t.Context()))
		web.Close()
	})
	return s, web
}

// within waits until it is so.
func within(t *testing.T, limit time.Duration, what string, so func() bool) {
	t.Helper()
	end := time.After(limit)
	for !so() {
		select {
		case <-end:
			t.Fatalf("%s: not within %v", what, limit)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestAServiceThatFollowsRefusesWithinASecondWhatEndedHere(t *testing.T) {
	s, web := listening(t)
	s.User(mara, "mara", password)
	before := s.Program().Login("mara", password)
	s.Program().Login("mara", password).Call("POST", "/api/v1/logout", nil).Is(204)
	ended := s.Program().Login("mara", password)
	copied := ended.Access
	ended.Call("POST", "/api/v1/logout", nil).Is(204)
	v, err := verify.New(verify.Options{
		Issuer: s.Options.AppURL, Audience: s.Options.AppURL, Clock: s.Clock.Now, Service: service(t, s).Access, HTTPClient: web.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			v.Close()
		}
	})
	within(t, 10*time.Second, "the service is ready", func() bool { return v.Ready() == nil })
	if _, err := v.Verify(t.Context(), before.Access); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), copied); !errors.Is(err, verify.ErrRevoked) {
		t.Errorf("what ended before the service began: got %v", err)
	}
	for range 5 {
		p := s.Program().Login("mara", password)
		token := p.Access
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		p.Call("POST", "/api/v1/logout", nil).Is(204)
		within(t, 2*time.Second, "the end is known", func() bool {
			_, err := v.Verify(t.Context(), token)
			return errors.Is(err, verify.ErrRevoked)
		})
	}
	list, err := s.Tokens.Feed.Followers(t.Context())
	if err != nil || len(list) != 1 || list[0].Mode != "refuse" || list[0].Bound != (30*time.Second).Microseconds() {
		t.Errorf("got %+v and %v", list, err)
	}
	v.Close()
	closed = true
	if list, err = s.Tokens.Feed.Followers(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("it has not left: %+v and %v", list, err)
	}
}
