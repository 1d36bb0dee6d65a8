package tokens

import (
	"strings"
	"testing"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/models"
)

// feedDeps are what services and feed of one node work with.
func feedDeps(t testing.TB, db *database.DB, clock *testkit.Clock) Deps {
	t.Helper()
	record := audit.New(db, clock.Now)
	ring, err := keys.Open(t.Context(), keys.Options{DB: db, Box: testkit.Box(t), Audit: record, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return Deps{DB: db, Clock: clock.Now, Log: testkit.Log(t), Config: testConfig(), Audit: record, Keys: ring}
}

func eachServices(t *testing.T, test func(t *testing.T, here, there *Services, clock *testkit.Clock)) {
	t.Helper()
	testkit.EachURL(t, func(t *testing.T, url string) {
		clock := testkit.NewClock()
		a, b := testkit.Open(t, url, clock.Now), testkit.Open(t, url, clock.Now)
		here, there := feedDeps(t, a, clock), feedDeps(t, b, clock)
		test(t, newServices(here, newLog(here)), newServices(there, newLog(there)), clock)
	})
}

func addService(t testing.TB, s *Services, name string) secrets.Raw {
	t.Helper()
	raw, err := s.Add(t.Context(), name, Client{})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAServiceSignsInWithItsSecretUntilItIsRemoved(t *testing.T) {
	eachServices(t, func(t *testing.T, here, there *Services, clock *testkit.Clock) {
		raw := addService(t, here, "orders")
		if !strings.HasPrefix(raw.Reveal(), "gh_sk_") {
			t.Error("the secret has no prefix")
		}
		for _, s := range []*Services{here, there} {
			if row, err := s.Authenticate(t.Context(), raw.Reveal()); err != nil || row.Name != "orders" {
				t.Fatalf("got %v and %v", row, err)
			}
		}
		list, err := here.List(t.Context())
		if err != nil || len(list) != 1 || list[0].LastSeenAt.IsZero() || list[0].SecretHash != nil {
			t.Errorf("got %+v and %v", list, err)
		}
		if removed, err := here.Remove(t.Context(), "orders", Client{}); err != nil || !removed {
			t.Fatalf("got %v and %v", removed, err)
		}
		clock.Advance(servicesEvery)
		for _, s := range []*Services{here, there} {
			if _, err := s.Authenticate(t.Context(), raw.Reveal()); apperr.Reason(err) != "service_unknown" {
				t.Errorf("got %v", err)
			}
		}
		if removed, err := here.Remove(t.Context(), "orders", Client{}); err != nil || removed {
			t.Errorf("removed twice: %v and %v", removed, err)
		}
	})
}

func TestANameComesBackWithAnotherSecret(t *testing.T) {
	eachServices(t, func(t *testing.T, here, _ *Services, _ *testkit.Clock) {
		first := addService(t, here, "orders")
		if _, err := here.Add(t.Context(), "orders", Client{}); apperr.From(err).Kind != apperr.Conflict {
			t.Errorf("got %v", err)
		}
		row, _ := here.Authenticate(t.Context(), first.Reveal())
		if _, err := here.Remove(t.Context(), "orders", Client{}); err != nil {
			t.Fatal(err)
		}
		second := addService(t, here, "orders")
		again, err := here.Authenticate(t.Context(), second.Reveal())
		if err != nil || again.ID != row.ID {
			t.Errorf("got %v and %v", again, err)
		}
		if _, err := here.Authenticate(t.Context(), first.Reveal()); err == nil {
			t.Error("the old secret came back with the name")
		}
		if n := countAudit(t, here, audit.ServiceAdded) + countAudit(t, here, audit.ServiceRemoved); n != 3 {
			t.Errorf("%d audit rows, want 3", n)
		}
	})
}

func countAudit(t *testing.T, s *Services, action audit.Action) (n int64) {
	t.Helper()
	if err := s.deps.DB.Read(t.Context()).Model(&models.AuditEvent{}).Where("action = ?", string(action)).Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestThirtyTwoWhoAddOneNameMakeOneService(t *testing.T) {
	eachServices(t, func(t *testing.T, here, _ *Services, _ *testkit.Clock) {
		wins := testkit.Race(t, 32, func(int) (bool, error) {
			_, err := here.Add(t.Context(), "orders", Client{})
			if apperr.Reason(err) == "conflict" {
				return false, nil
			}
			return err == nil, err
		})
		if wins != 1 {
			t.Errorf("%d succeeded", wins)
		}
	})
}

func TestNamesAndCredentialsThatAreNoneAreRefused(t *testing.T) {
	clock := testkit.NewClock()
	d := feedDeps(t, testkit.DB(t), clock)
	s := newServices(d, newLog(d))
	for _, name := range []string{"", "Orders", "a b", "-a", strings.Repeat("a", 65), "a\n"} {
		if _, err := s.Add(t.Context(), name, Client{}); apperr.From(err) == nil || apperr.From(err).Kind != apperr.Invalid {
			t.Errorf("%q: got %v", name, err)
		}
	}
	raw := addService(t, s, "orders").Reveal()
	for _, bad := range []string{"", "gh_sk_", raw[:len(raw)-1], raw + "0", "gh_rt_" + raw[6:], strings.ToUpper(raw), secrets.NewToken("gh_sk_").Reveal()} {
		if _, err := s.Authenticate(t.Context(), bad); apperr.Reason(err) != "service_unknown" {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	clock.Advance(time.Hour)
	if _, err := s.Authenticate(t.Context(), raw); err != nil {
		t.Error(err)
	}
}
