package handlers_test

import (
	"errors"
	"testing"
	"time"

	"gatehouse/tokens"
	"gatehouse/verify"
)

// A service in another process accepts personal tokens by asking, remembers
// the answer for seconds, and obeys the feed before those are over.
func TestAServiceChecksPersonalTokensAndObeysTheFeed(t *testing.T) {
	s, web := listening(t)
	u := s.User(mara, "mara", password)
	owner := s.Program().Login("mara", password)
	v, err := verify.New(verify.Options{
		Issuer: s.Options.AppURL, Clock: s.Clock.Now, Service: service(t, s).Access, HTTPClient: web.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	within(t, 10*time.Second, "the service is ready", func() bool { return v.Ready() == nil })
	accepted := func(token string) bool { _, err := v.Verify(t.Context(), token); return err == nil }

	p, id := personal(t, s, owner, "app:orders", "profile:read")
	only, _ := personal(t, s, owner, "profile:read")
	got, err := v.Verify(t.Context(), p.Access)
	if err != nil || got.Sub != u.ID || !got.HasScope("app:orders") || got.HasScope("account") || !got.Personal || !got.HasRole("user") {
		t.Fatalf("got %+v and %v", got, err)
	}
	if _, err := v.Verify(t.Context(), only.Access); !errors.Is(err, verify.ErrNotForServices) {
		t.Errorf("a token for our own API: got %v", err)
	}
	owner.Call("DELETE", "/api/v1/me/tokens/"+id, nil).Is(204)
	// The clock of answers stands still, so that only the feed can have ended it.
	within(t, 2*time.Second, "the end is known", func() bool { return !accepted(p.Access) })

	p, _ = personal(t, s, owner, "app:orders")
	if !accepted(p.Access) {
		t.Fatal("not accepted")
	}
	if err := s.Accounts.SetRoles(t.Context(), u.ID, []string{"user", "editor"}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	within(t, 2*time.Second, "the roles are those of now", func() bool {
		got, err := v.Verify(t.Context(), p.Access)
		return err == nil && got.HasRole("editor")
	})
	if err := s.Accounts.SetDisabled(t.Context(), u.ID, true, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	within(t, 2*time.Second, "a disabled person is out", func() bool { return !accepted(p.Access) })
}
