package keys_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/models"
)

// ground is what the rings of one test share.
type ground struct {
	db    *database.DB
	box   *secrets.Box
	clock *testkit.Clock
}

func newGround(t *testing.T, db *database.DB) ground {
	return ground{db: db, box: testkit.Box(t), clock: testkit.NewClock()}
}

func (g ground) options(alg string) keys.Options {
	return keys.Options{DB: g.db, Box: g.box, Audit: audit.New(g.db, g.clock.Now), Clock: g.clock.Now, Alg: alg}
}

func (g ground) open(t *testing.T, alg string) *keys.Ring {
	t.Helper()
	r, err := keys.Open(t.Context(), g.options(alg))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func otherBox(t *testing.T) *secrets.Box {
	t.Helper()
	box, err := secrets.NewBox(bytes.Repeat([]byte("another!"), 4))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestTheFirstStartMakesAKeyOfTheAlgorithmAndLaterOnesFindIt(t *testing.T) {
	for _, alg := range []string{keys.ES256, keys.EdDSA, keys.RS256} {
		t.Run(alg, func(t *testing.T) {
			g := newGround(t, testkit.DB(t))
			first := g.open(t, alg).Signer()
			if first.Alg != alg || !isFor(first.Key, alg) {
				t.Fatalf("got a %T for %s", first.Key, first.Alg)
			}
			again := g.open(t, alg)
			if again.Signer().KID != first.KID || len(again.Public()) != 2 {
				t.Error("the second start made another key")
			}
			signs(t, again, first)
		})
	}
}

func isFor(key crypto.Signer, alg string) bool {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return alg == keys.ES256 && k.Curve.Params().Name == "P-256"
	case ed25519.PrivateKey:
		return alg == keys.EdDSA
	case *rsa.PrivateKey:
		return alg == keys.RS256 && k.N.BitLen() >= 2048
	}
	return false
}

// signs checks that what s signs verifies by the published set, and that the
// kid is the thumbprint (RFC 7638).
func signs(t *testing.T, r *keys.Ring, s keys.Signer) {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.Alg), Key: s.Key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	jwk := published(t, r, s.KID)
	if _, err := signed.Verify(jwk); err != nil {
		t.Errorf("the published key does not verify: %v", err)
	}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil || secretsEncode(sum) != s.KID {
		t.Errorf("kid %q is not the thumbprint (%v)", s.KID, err)
	}
}

func secretsEncode(sum []byte) string {
	text, _ := json.Marshal(jose.JSONWebKey{Key: sum, KeyID: "x"})
	var oct struct{ K string }
	_ = json.Unmarshal(text, &oct)
	return oct.K
}

func published(t *testing.T, r *keys.Ring, kid string) jose.JSONWebKey {
	t.Helper()
	body, _ := r.JWKS()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	found := set.Key(kid)
	if len(found) != 1 || !found[0].IsPublic() || found[0].Use != "sig" {
		t.Fatalf("%q is published %d times in %s", kid, len(found), body)
	}
	return found[0]
}

func TestTheDefaultIsES256(t *testing.T) {
	if alg := newGround(t, testkit.DB(t)).open(t, "").Signer().Alg; alg != keys.ES256 {
		t.Errorf("got %s", alg)
	}
}

func TestAnUnknownAlgorithmNamesTheSetting(t *testing.T) {
	for _, alg := range []string{"HS256", "none", "es256", "ES384", "PS256"} {
		_, err := keys.Open(t.Context(), newGround(t, testkit.DB(t)).options(alg))
		if err == nil || !strings.Contains(err.Error(), "SIGNING_ALG") {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestThirtyTwoNodesThatStartTogetherEndWithOneKey(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		rings := openTogether(t, g, 32, func(int) string { return keys.ES256 })
		for _, r := range rings {
			if r.Signer().KID != rings[0].Signer().KID || len(r.Public()) != 2 {
				t.Error("two nodes sign with different keys")
			}
			if !bytes.Equal(r.MACKey(keys.PurposeRefresh), rings[0].MACKey(keys.PurposeRefresh)) {
				t.Error("two nodes have different secrets")
			}
		}
		if n := len(list(t, rings[0])); n != 8 {
			t.Errorf("%d keys were made, want six pairs and two secrets", n)
		}
	})
}

func openTogether(t *testing.T, g ground, n int, alg func(int) string) []*keys.Ring {
	t.Helper()
	rings := make([]*keys.Ring, n)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			r, err := keys.Open(t.Context(), g.options(alg(i)))
			if err != nil {
				t.Error(err)
			}
			rings[i] = r
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return rings
}

func list(t *testing.T, r *keys.Ring) []models.SigningKey {
	t.Helper()
	rows, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func reload(t *testing.T, r *keys.Ring) {
	t.Helper()
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherSecretKeyIsNamedAndChangesNothing(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		before := list(t, g.open(t, keys.ES256))
		wrong := g
		wrong.box = otherBox(t)
		for _, alg := range []string{keys.ES256, keys.EdDSA} {
			_, err := keys.Open(t.Context(), wrong.options(alg))
			if !errors.Is(err, keys.ErrSecretKey) || !strings.HasPrefix(err.Error(), "SECRET_KEY ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", alg, err)
			}
		}
		if after := list(t, g.open(t, keys.ES256)); len(after) != len(before) || after[0].KID != before[0].KID {
			t.Error("something was changed")
		}
	})
}

// Whoever can write to the database but does not know SECRET_KEY must not be
// able to make a key count, nor to use one for another purpose.
func TestARowThatWasTamperedWithIsNotBelieved(t *testing.T) {
	for name, edit := range map[string]string{
		"another purpose":   "UPDATE signing_keys SET purpose = 'refresh' WHERE alg = 'ES256'",
		"a secret as pair":  "UPDATE signing_keys SET purpose = 'access' WHERE alg = 'HS256'",
		"another algorithm": "UPDATE signing_keys SET alg = 'EdDSA' WHERE alg = 'ES256'",
		"another name":      "UPDATE signing_keys SET kid = 'mine' WHERE alg = 'ES256' AND state = 'current'",
		"other bytes":       "UPDATE signing_keys SET private = x'01020304' WHERE alg = 'ES256'",
		"no bytes":          "UPDATE signing_keys SET private = x'' WHERE alg = 'ES256'",
		"a key added":       "INSERT INTO signing_keys (kid, purpose, alg, state, public, private, created_at) VALUES ('evil', 'access', 'ES256', 'next', x'7b7d', x'01', 1)",
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t, testkit.DB(t))
			r := g.open(t, keys.ES256)
			body, _ := r.JWKS()
			exec(t, g.db, edit)
			g.clock.Advance(time.Second)
			if err := r.Reload(t.Context()); !errors.Is(err, keys.ErrSecretKey) {
				t.Errorf("got %v", err)
			}
			if now, _ := r.JWKS(); !bytes.Equal(now, body) || r.Signer().Key == nil {
				t.Error("the running ring believed it")
			}
		})
	}
}

func exec(t *testing.T, db *database.DB, sql string, args ...any) {
	t.Helper()
	if n, err := db.Exec(t.Context(), sql, args...); err != nil || n == 0 {
		t.Fatal(n, err)
	}
}

// The public column is for people who look: what counts is made from the
// sealed half.
func TestAChangedPublicColumnChangesNothing(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	body, etag := g.open(t, keys.ES256).JWKS()
	exec(t, g.db, "UPDATE signing_keys SET public = x'7b7d' WHERE purpose = 'access'")
	if again, tag := g.open(t, keys.ES256).JWKS(); !bytes.Equal(body, again) || tag != etag {
		t.Errorf("got %s", again)
	}
}

func TestReloadNoticesWhatAnotherNodeMade(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	here, calls := g.open(t, keys.ES256), 0
	here.OnChange(func() { calls++ })
	_, etag := here.JWKS()
	reload(t, here)
	if calls != 0 {
		t.Error("told of a change that was none")
	}
	g.open(t, keys.EdDSA) // publishes a next key of that algorithm
	reload(t, here)
	if _, now := here.JWKS(); calls != 1 || now == etag {
		t.Errorf("%d calls", calls)
	}
}

func TestAnUnknownKeyIsLookedForAtMostOnceASecond(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	here := g.open(t, keys.ES256)
	here.Missing(t.Context()) // a stranger's invention
	there := g.open(t, keys.EdDSA)
	here.Missing(t.Context())
	if len(here.Public()) != 2 {
		t.Error("it reloaded again within the second")
	}
	g.clock.Advance(time.Second)
	here.Missing(t.Context())
	if len(here.Public()) != 3 || len(there.Public()) != 3 {
		t.Error("it did not find the key of the other node")
	}
}

func TestTheRefreshSecretOutlivesEveryChangeOfAlgorithm(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	first := g.open(t, keys.ES256).MACKey(keys.PurposeRefresh)
	if len(first) < 32 {
		t.Fatalf("%d bytes", len(first))
	}
	g.clock.Advance(100 * 24 * time.Hour)
	r := g.open(t, keys.RS256)
	if !bytes.Equal(first, r.MACKey(keys.PurposeRefresh)) {
		t.Error("it changed")
	}
	if r.MACKey("unknown") != nil || r.MACKey(keys.PurposeAccess) != nil {
		t.Error("a purpose without a secret has one")
	}
}

func TestNothingSecretIsListedOrPublishedOrStoredInTheClear(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	r := g.open(t, keys.ES256)
	for _, row := range list(t, r) {
		if row.Private != nil {
			t.Error("the list carries a private half")
		}
	}
	if body, _ := r.JWKS(); bytes.Contains(body, []byte(`"d"`)) || bytes.Contains(body, []byte("refresh")) {
		t.Errorf("got %s", body)
	}
	var rows []models.SigningKey
	if err := g.db.Read(t.Context()).Find(&rows).Error; err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if bytes.Contains(row.Private, r.MACKey(keys.PurposeRefresh)) {
			t.Error("the secret stands in the clear")
		}
	}
}

func TestEveryKeyLeavesAnAuditEvent(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	g.open(t, keys.ES256)
	g.open(t, keys.EdDSA)
	count := map[string]int{}
	var rows []models.AuditEvent
	if err := g.db.Read(t.Context()).Find(&rows).Error; err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		count[row.Action]++
	}
	if count[string(audit.KeyCreated)] != 9 || count[string(audit.KeyRetired)] != 1 {
		t.Errorf("got %v", count)
	}
}

func TestAStorageFaultIsToldAndLeavesTheRingAsItWas(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	r := g.open(t, keys.ES256)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Reload(ctx); err == nil {
		t.Error("no error")
	}
	if r.Signer().Key == nil || len(r.Public()) != 2 {
		t.Error("the ring lost its keys")
	}
}

// The row and its slot are one transaction: when the row cannot be written,
// the slot must not point to it.
func TestAKeyThatCannotBeWrittenIsNotInUse(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	r := g.open(t, keys.ES256)
	err := g.db.Write(t.Context(), func(tx *gorm.DB) error {
		return tx.Exec("DROP TABLE audit_events").Error
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(t.Context(), g.options(keys.EdDSA)); err == nil {
		t.Fatal("no error")
	}
	reload(t, r)
	if r.Signer().Alg != keys.ES256 || len(list(t, r)) != 8 {
		t.Error("half of the change is there")
	}
}

func TestEachPurposeHasAPairOfItsOwn(t *testing.T) {
	g := newGround(t, testkit.DB(t))
	r := g.open(t, keys.RS256)
	access, feed := r.SignerFor(keys.PurposeAccess), r.SignerFor(keys.PurposeFeed)
	if access.KID != r.Signer().KID || feed.Key == nil || feed.KID == access.KID || feed.Alg != keys.EdDSA {
		t.Fatalf("got %s %s", feed.Alg, feed.KID)
	}
	for _, p := range []string{keys.PurposeAccess, keys.PurposeFeed} {
		public := r.PublicFor(p)
		if len(public) != 2 || public[0].KID != r.SignerFor(p).KID || public[0].Purpose != p {
			t.Errorf("%s: got %v", p, public)
		}
		if body, tag := r.JWKSFor(p); tag == "" || !strings.Contains(string(body), public[0].KID) {
			t.Errorf("%s: got %s", p, body)
		}
	}
	if body, _ := r.JWKS(); strings.Contains(string(body), feed.KID) {
		t.Error("the key of the feed is published as one of access tokens")
	}
	if r.SignerFor("none").Key != nil || r.PublicFor("none") != nil || r.SignerFor(keys.PurposeRefresh).Key != nil {
		t.Error("a purpose without a pair has one")
	}
}
