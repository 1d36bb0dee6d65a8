package handlers_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
	"gatehouse/keys"
)

// While a change of the algorithm waits, tokens are signed by the old one; who
// reads the document then must find both.
func TestDiscoveryNamesTheAlgorithmOfEveryPublishedKey(t *testing.T) {
	s := testserver.New(t)
	c := newChecker(t)
	named := func(want ...string) string {
		t.Helper()
		a := c.check(s.Program().Call("GET", "/.well-known/openid-configuration", nil).Is(200))
		var got struct {
			Algs []string `json:"access_token_signing_alg_values_supported"`
		}
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || !slices.Equal(got.Algs, want) {
			t.Errorf("got %v (%v), want %v", got.Algs, err, want)
		}
		return a.Header.Get("ETag")
	}
	first := named("ES256")
	other, err := keys.Open(t.Context(), keys.Options{DB: s.DB, Box: testkit.Box(t), Audit: audit.New(s.DB, s.Clock.Now), Clock: s.Clock.Now, Alg: keys.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	reload := func() {
		t.Helper()
		for _, node := range s.Nodes {
			if err := node.Keys.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	reload()
	if second := named("ES256", "EdDSA"); second == first {
		t.Error("caches are told that nothing changed")
	}
	s.Clock.Advance(time.Hour)
	if err := other.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	reload()
	named("EdDSA", "ES256")
}
