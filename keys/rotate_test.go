package keys_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
)

const lead = 6 * time.Minute // the published max-age and a minute

func tend(t *testing.T, r *keys.Ring) {
	t.Helper()
	if err := r.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func states(t *testing.T, r *keys.Ring, purpose string) (all []string) {
	t.Helper()
	for _, row := range list(t, r) {
		if row.Purpose == purpose {
			all = append(all, row.State)
		}
	}
	slices.Sort(all)
	return all
}

func TestTheNextKeyIsPublishedFromTheStartAndSignsInItsTurn(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		r := g.open(t, keys.ES256)
		first, next := r.Signer().KID, r.Public()[1].KID
		published(t, r, next)
		tend(t, r)
		if r.Signer().KID != first {
			t.Error("it rotated at once")
		}
		g.clock.Advance(720*time.Hour - time.Second)
		tend(t, r)
		if r.Signer().KID != first {
			t.Error("it rotated early")
		}
		g.clock.Advance(time.Second)
		tend(t, r)
		if r.Signer().KID != next || len(r.Public()) != 3 {
			t.Fatalf("it signs with %s and publishes %d", r.Signer().KID, len(r.Public()))
		}
		published(t, r, first)
		for _, purpose := range []string{keys.PurposeAccess, keys.PurposeFeed} {
			if got := states(t, r, purpose); !slices.Equal(got, []string{"current", "next", "retiring"}) {
				t.Errorf("%s: got %v", purpose, got)
			}
		}
	})
}

func TestARetiringKeyIsPublishedUntilAllItSignedHasExpiredAndThenDeleted(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	r := g.open(t, keys.ES256)
	r.KeepFor(48 * time.Hour)
	old := r.Signer()
	g.clock.Advance(720 * time.Hour)
	tend(t, r)
	signs(t, r, old)
	g.clock.Advance(48*time.Hour + 7*time.Minute - time.Second) // max-age and a margin more
	tend(t, r)
	published(t, r, old.KID)
	g.clock.Advance(2 * time.Second)
	tend(t, r)
	reload(t, r)
	// What people downloaded can be checked for much longer.
	if len(r.Public()) != 2 || len(r.PublicFor(keys.PurposeData)) != 3 || len(list(t, r)) != 9 {
		t.Errorf("%d are published, %d there", len(r.Public()), len(list(t, r)))
	}
	g.clock.Advance(27 * 24 * time.Hour) // before the next rotation
	tend(t, r)
	if len(r.PublicFor(keys.PurposeData)) != 3 {
		t.Error("a download of last month cannot be checked")
	}
}

// A resource server keeps the set for as long as it was told and never asks in
// between. It asks at any moment of the node's life, of a node that noticed
// the last change a second late.
func TestACachedKeySetKnowsEveryKeyOfNormalRotation(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 2 * time.Second, 7 * time.Second, time.Minute, 10 * time.Minute, time.Hour} {
		t.Run(every.String(), func(t *testing.T) {
			g := newGround(t, testkit.DB(t))
			o := g.options(keys.EdDSA)
			o.RotateEvery = every
			ring, late := openWith(t, o), openWith(t, o)
			ring.KeepFor(time.Minute)
			late.KeepFor(time.Minute)
			caches := []*cache{}
			for i := range 5 {
				caches = append(caches, &cache{keep: ring.CacheFor() * time.Duration(i) / 4})
			}
			step := max(time.Second, every/97)
			changes, kid := 0, ring.Signer().KID
			for range 400 {
				for _, c := range caches {
					c.look(t, g, late)
				}
				g.clock.Advance(step)
				tend(t, ring)
				for i, c := range caches {
					if !c.knows(ring.Signer().KID, g.clock.Now()) {
						t.Fatalf("cache %d meets an unknown key", i)
					}
				}
				reload(t, late)
				if now := ring.Signer().KID; now != kid {
					changes, kid = changes+1, now
				}
			}
			if changes < 3 {
				t.Errorf("it rotated %d times", changes)
			}
		})
	}
}

func openWith(t *testing.T, o keys.Options) *keys.Ring {
	t.Helper()
	r, err := keys.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// cache is a resource server that keeps a key set.
type cache struct {
	keep time.Duration
	at   time.Time
	set  jose.JSONWebKeySet
}

func (c *cache) look(t *testing.T, g ground, r *keys.Ring) {
	t.Helper()
	if now := g.clock.Now(); c.at.IsZero() || now.Sub(c.at) >= c.keep {
		body, _ := r.JWKS()
		c.at, c.set = now, jose.JSONWebKeySet{}
		if err := json.Unmarshal(body, &c.set); err != nil {
			t.Fatal(err)
		}
	}
}

// knows judges a cache that is not too old; an older one asks first.
func (c *cache) knows(kid string, now time.Time) bool {
	return now.Sub(c.at) > c.keep || len(c.set.Key(kid)) == 1
}

func TestRotateWaitsUntilEveryCacheKnowsTheNextKey(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	r := g.open(t, keys.ES256)
	first := r.Signer().KID
	var soon keys.TooSoon
	if _, err := r.Rotate(t.Context(), false); !errors.As(err, &soon) || soon.Wait < lead || soon.Wait > lead+2*time.Second || r.Signer().KID != first {
		t.Fatalf("got %v", err)
	}
	g.clock.Advance(lead)
	done, err := r.Rotate(t.Context(), false)
	if err != nil || len(done) != 3 || done[0].Retired != first || done[0].Current != r.Signer().KID || done[0].Early || first == r.Signer().KID {
		t.Fatalf("got %+v, %v", done, err)
	}
	if done, err = r.Rotate(t.Context(), true); err != nil || !done[0].Early || done[0].Wait < lead || done[0].Current != r.Signer().KID {
		t.Errorf("got %+v, %v", done, err)
	}
}

func TestThirtyTwoRotationsAtOnceMakeOneNewKey(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		rings := openTogether(t, g, 32, func(int) string { return keys.ES256 })
		for round := range 3 {
			g.clock.Advance(720 * time.Hour)
			old := rings[0].Signer().KID
			won := testkit.Race(t, 32, func(i int) (bool, error) {
				if round == 1 {
					return false, rings[i].Tend(t.Context())
				}
				done, err := rings[i].Rotate(t.Context(), false)
				if errors.As(err, new(keys.TooSoon)) {
					return false, nil
				}
				return len(done) > 0, err
			})
			if round != 1 && won != 1 {
				t.Errorf("%d say that they rotated", won)
			}
			for _, r := range rings {
				reload(t, r)
				if r.Signer().KID == old || r.Signer().KID != rings[0].Signer().KID {
					t.Error("nodes disagree")
				}
			}
			want := [][]string{{"current", "next", "retiring"}, {"current", "next", "retiring"}, {"current", "next", "retiring", "retiring"}}
			if got := states(t, rings[0], keys.PurposeAccess); !slices.Equal(got, want[round]) {
				t.Errorf("round %d: got %v", round, got)
			}
		}
	})
}

func TestANewAlgorithmIsPublishedFirstAndSignsWhenEverybodyKnowsIt(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		g.open(t, keys.ES256)
		rings := openTogether(t, g, 16, func(int) string { return keys.RS256 })
		if got := states(t, rings[0], keys.PurposeAccess); !slices.Equal(got, []string{"current", "next", "retiring"}) {
			t.Errorf("got %v", got)
		}
		tend(t, rings[0])
		if rings[0].Signer().Alg != keys.ES256 {
			t.Error("it signs before everybody knows it")
		}
		g.clock.Advance(lead)
		tend(t, rings[0])
		if rings[0].Signer().Alg != keys.RS256 {
			t.Error("it never signs")
		}
		signs(t, rings[0], rings[0].Signer())
	})
}

func TestNodesWithDifferentAlgorithmsSettleOnOne(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	algs := []string{keys.ES256, keys.EdDSA, keys.RS256}
	changes, last := 0, ""
	for i := range 30 {
		r := g.open(t, algs[i%3])
		g.clock.Advance(lead * time.Duration(i%2)) // also in the middle of a change
		tend(t, r)
		if now := r.Signer().Alg; now != last {
			changes, last = changes+1, now
		}
	}
	if changes > 3 {
		t.Errorf("the algorithm changed %d times in 30 starts", changes)
	}
	openTogether(t, g, 9, func(i int) string { return algs[i%3] })
	// Only a command goes back.
	back := algs[(slices.Index(algs, last)+1)%3]
	r := g.open(t, back)
	if _, err := r.Rotate(t.Context(), false); !errors.As(err, new(keys.TooSoon)) {
		t.Fatal(err)
	}
	g.clock.Advance(lead)
	tend(t, r)
	if r.Signer().Alg != back {
		t.Errorf("it signs with %s, want %s", r.Signer().Alg, back)
	}
}

func TestAShorterPeriodIsCarefulWithWhatCachesHold(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	g.open(t, keys.ES256)
	o := g.options(keys.ES256)
	o.RotateEvery = 2 * time.Second
	r := openWith(t, o)
	first := r.Signer().KID
	for range 60 {
		g.clock.Advance(5 * time.Second)
		tend(t, r)
	}
	if r.Signer().KID != first {
		t.Error("it rotated while caches of the longer period may not know the key")
	}
	g.clock.Advance(2 * time.Minute)
	tend(t, r)
	if r.Signer().KID == first {
		t.Error("it never rotated")
	}
}

// commit is a revocation log that forgets.
func commit(t *testing.T, g ground) func(func(*gorm.DB) error) error {
	return func(change func(*gorm.DB) error) error { return g.db.Write(t.Context(), change) }
}

func TestARevokedKeyIsNowhereAndTheNextOneSignsAtOnce(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		r, other := g.open(t, keys.ES256), g.open(t, keys.ES256)
		bad, next := r.Signer().KID, r.Public()[1].KID
		if err := r.Revoke(t.Context(), []string{bad}, commit(t, g)); err != nil {
			t.Fatal(err)
		}
		reload(t, other)
		for _, ring := range []*keys.Ring{r, other, g.open(t, keys.ES256)} {
			if body, _ := ring.JWKS(); ring.Signer().KID != next || len(ring.Public()) != 2 || strings.Contains(string(body), bad) {
				t.Errorf("it signs with %s and publishes %s", ring.Signer().KID, body)
			}
		}
		for _, row := range list(t, r) {
			if row.KID == bad && (row.State != keys.StateRevoked || row.RevokedAt.IsZero()) {
				t.Errorf("the row is %+v", row)
			}
		}
		if n, err := db.Exec(t.Context(), "DELETE FROM signing_keys WHERE kid = ? AND private = x''", bad); err != nil || n != 1 {
			t.Error("the private half is still there")
		}
	})
}

func TestEveryKeyOfAPurposeCanBeRevokedAtOnce(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	r := g.open(t, keys.ES256)
	bad := []string{r.Public()[0].KID, r.Public()[1].KID, r.Public()[0].KID}
	if err := r.Revoke(t.Context(), bad, commit(t, g)); err != nil {
		t.Fatal(err)
	}
	if r.Signer().Key == nil || slices.Contains(bad, r.Signer().KID) || len(r.Public()) != 2 {
		t.Errorf("got %v", r.Public())
	}
	if err := r.Revoke(t.Context(), bad[:1], commit(t, g)); apperr.Reason(err) != "key_revoked" {
		t.Errorf("again: %v", err)
	}
	for _, kid := range []string{"", "nonsense", list(t, r)[len(list(t, r))-1].KID + "x"} {
		if err := r.Revoke(t.Context(), []string{kid}, commit(t, g)); apperr.Reason(err) != "no_such_key" {
			t.Errorf("%q: %v", kid, err)
		}
	}
}

func TestAKeyIsRevokedByOneOfThirtyTwo(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		rings := openTogether(t, g, 32, func(int) string { return keys.ES256 })
		bad := rings[0].Signer().KID
		won := testkit.Race(t, 32, func(i int) (bool, error) {
			err := rings[i].Revoke(t.Context(), []string{bad}, commit(t, g))
			if apperr.Reason(err) == "key_revoked" {
				return false, nil
			}
			return err == nil, err
		})
		if got := states(t, rings[0], keys.PurposeAccess); won != 1 || !slices.Equal(got, []string{"current", "next", "revoked"}) {
			t.Errorf("%d won, %v", won, got)
		}
	})
}

func TestARevocationThatIsNotLoggedDoesNotHappen(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	r := g.open(t, keys.ES256)
	before := r.Signer().KID
	fails := errors.New("the log is full")
	err := r.Revoke(t.Context(), []string{before}, func(change func(*gorm.DB) error) error {
		return g.db.Write(t.Context(), func(tx *gorm.DB) error { return errors.Join(change(tx), fails) })
	})
	reload(t, r)
	if !errors.Is(err, fails) || r.Signer().KID != before || len(states(t, r, keys.PurposeAccess)) != 2 {
		t.Errorf("%v", err)
	}
}
