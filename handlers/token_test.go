package handlers_test

import (
	"testing"

	"gatehouse/internal/testserver"
)

// events is how many audit rows of an action and an outcome there are.
func events(t *testing.T, s *testserver.Server, action, outcome string) (n int64) {
	t.Helper()
	err := s.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM audit_events WHERE action = ? AND outcome = ?", action, outcome).Scan(&n).Error
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestATokenThatWasShownIsOnRecord(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	b.Get("/account/tokens").Is(200)
	if n := events(t, s, "token.shown", "success"); n != 0 {
		t.Errorf("%d events before a token was shown", n)
	}
	b.Post("/account/tokens", "show", "access").Is(200)
	if n := events(t, s, "token.shown", "success"); n != 1 {
		t.Errorf("%d events for one token", n)
	}
}
