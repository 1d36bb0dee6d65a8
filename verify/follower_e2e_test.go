package verify_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
	"gatehouse/tokens"
	"gatehouse/verify"
)

// node is a whole Gatehouse on a socket, whose log runs.
func node(t *testing.T, s *testserver.Server) *httptest.Server {
	t.Helper()
	s.Follow()
	srv := httptest.NewServer(s.Handler)
	t.Cleanup(func() {
		s.StopFeeds()
		srv.Close()
	})
	return srv
}

// service is a program elsewhere, with a credential of its own.
func service(t *testing.T, s *testserver.Server, at, name string) *verify.Verifier {
	t.Helper()
	secret, err := s.Tokens.Services.Add(t.Context(), name, tokens.Client{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.New(verify.Options{Issuer: s.Options.AppURL, JWKSURL: at + "/.well-known/jwks.json",
		FeedURL: at + "/api/v1/revocations", Service: secret.Reveal(), Clock: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	eventually(t, 10*time.Second, func() bool { return v.Ready() == nil })
	return v
}

// eventually asks until it is so, and returns how long that took.
func eventually(t *testing.T, limit time.Duration, so func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v", limit)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

func TestAServiceRefusesWithinASecondOfTheEnd(t *testing.T) {
	s := testserver.New(t)
	s.User("ada@example.com", "ada", "correct horse battery")
	srv := node(t, s)
	v, other := service(t, s, srv.URL, "orders"), service(t, s, srv.URL, "invoices")
	for range 5 {
		ada, stays := s.Program().Login("ada", "correct horse battery"), s.Program().Login("ada", "correct horse battery")
		for _, token := range []string{ada.Access, stays.Access} {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatalf("%v, %+v", err, v.Stats())
			}
		}
		ada.Call(http.MethodPost, "/api/v1/logout", nil).Is(http.StatusNoContent)
		took := eventually(t, time.Second, func() bool {
			_, one := v.Verify(t.Context(), ada.Access)
			_, two := other.Verify(t.Context(), ada.Access)
			return errors.Is(one, verify.ErrRevoked) && errors.Is(two, verify.ErrRevoked)
		})
		t.Logf("refused at both services after %v", took)
		if _, err := v.Verify(t.Context(), stays.Access); err != nil {
			t.Fatalf("the other session: %v", err)
		}
	}
	followers, err := s.Tokens.Feed.Followers(t.Context())
	if err != nil || len(followers) != 2 {
		t.Fatalf("%d followers (%v)", len(followers), err)
	}
	v.Close()
	if followers, _ = s.Tokens.Feed.Followers(t.Context()); len(followers) != 1 {
		t.Fatalf("%d followers after one has left", len(followers))
	}
}

func TestACredentialThatIsRemovedFollowsNoMore(t *testing.T) {
	s := testserver.New(t)
	srv := node(t, s)
	v := service(t, s, srv.URL, "orders")
	if _, err := s.Tokens.Services.Remove(t.Context(), "orders", tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 15*time.Second, func() bool { return v.Within(1500*time.Millisecond).Ready() != nil })
}

func TestAServiceGoesOverToTheLogThatARestoreBegan(t *testing.T) {
	s := testserver.New(t)
	s.User("ada@example.com", "ada", "correct horse battery")
	srv := node(t, s)
	v := service(t, s, srv.URL, "orders")
	before := s.Program().Login("ada", "correct horse battery")
	if _, err := v.Verify(t.Context(), before.Access); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tokens.Restored(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	// The key of the old token is still in its cache; what refuses it is the log.
	eventually(t, 10*time.Second, func() bool {
		_, err := v.Verify(t.Context(), before.Access)
		return errors.Is(err, verify.ErrRevoked)
	})
	after := s.Program().Login("ada", "correct horse battery")
	eventually(t, 10*time.Second, func() bool {
		_, err := v.Verify(t.Context(), after.Access)
		return err == nil && v.Ready() == nil
	})
	for range 20 { // and it stays so, once nothing of the log before is held any more
		if _, err := v.Verify(t.Context(), before.Access); err == nil {
			t.Fatal("a token of before the restore is accepted again")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A follower gets what is sealed and nothing else. While nobody can seal, the
// stream is alive and the answers come, and still the bound holds.
func TestAServiceRefusesAtItsBoundWhileNothingCanBeSealed(t *testing.T) {
	triggers := map[string]string{
		"sqlite": "CREATE TRIGGER no_seal BEFORE INSERT ON revocation_batches BEGIN SELECT RAISE(ABORT, 'full'); END",
		"mysql":  "CREATE TRIGGER no_seal BEFORE INSERT ON revocation_batches FOR EACH ROW SIGNAL SQLSTATE '45000'",
	}
	testkit.EachURL(t, func(t *testing.T, url string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = url })
		s.User("ada@example.com", "ada", "correct horse battery")
		v := service(t, s, node(t, s).URL, "orders").Within(2 * time.Second)
		ada, stays := s.Program().Login("ada", "correct horse battery"), s.Program().Login("ada", "correct horse battery")
		if _, err := s.DB.Exec(t.Context(), triggers[s.DB.Dialect()]); err != nil {
			t.Fatal(err)
		}
		ada.Call(http.MethodPost, "/api/v1/logout", nil).Is(http.StatusNoContent)
		at := time.Now()
		refused := func(want error) func() bool {
			return func() bool {
				s.Clock.Advance(time.Since(at))
				at = time.Now()
				_, err := v.Verify(t.Context(), ada.Access)
				return errors.Is(err, want)
			}
		}
		took := eventually(t, 5*time.Second, refused(verify.ErrStale))
		t.Logf("refused after %v", took)
		if _, err := s.DB.Exec(t.Context(), "DROP TRIGGER no_seal"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 10*time.Second, refused(verify.ErrRevoked))
		eventually(t, 10*time.Second, func() bool { return v.Ready() == nil })
		if _, err := v.Verify(t.Context(), stays.Access); err != nil {
			t.Errorf("the other session: %v", err)
		}
	})
}
