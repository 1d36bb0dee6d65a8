package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// revoked is a list of dead token ids.
type revoked struct {
	mu   sync.RWMutex
	jtis map[string]bool
}

func (r *revoked) add(jti string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jtis == nil {
		r.jtis = map[string]bool{}
	}
	r.jtis[jti] = true
}

func (r *revoked) Revoked(p *Principal) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.jtis[p.TokenID]
}

func generate(t testing.TB) (Key, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Key{KID: "generated", Alg: "ES256", Public: &key.PublicKey}, key
}

func TestARememberedTokenIsTheSamePrincipal(t *testing.T) {
	v, _ := newVerifier(t)
	token := golden(t, "ES256")
	if mustVerify(t, v, token) != mustVerify(t, v, strings.Clone(token)) {
		t.Error("the second check did the work again")
	}
}

func TestNoNeighbourOfARememberedTokenHits(t *testing.T) {
	v, _ := newVerifier(t)
	token := golden(t, "ES256")
	mustVerify(t, v, token)
	for i := range len(token) {
		changed := []byte(token)
		changed[i] ^= 1
		for _, neighbour := range []string{token[:i], string(changed), token + token[:i+1]} {
			if v.cache.get(neighbour) != nil {
				t.Fatalf("a neighbour at %d hits", i)
			}
			if _, err := v.Verify(t.Context(), neighbour); err == nil {
				t.Fatalf("a neighbour at %d verifies", i)
			}
		}
	}
}

// Two tokens with one hash are still two tokens: the hash only says where to
// look.
func TestACollisionOfHashesDoesNotHit(t *testing.T) {
	c := newCache(ways, 1<<20)
	c.put("token", somebody(issuedAt), nil, 0)
	e := c.get("token")
	forgedEntry := *e
	forgedEntry.token = "other"
	bucket := c.shards[0].bucket(e.hash)
	for i := range bucket {
		bucket[i].Store(&forgedEntry)
	}
	if c.get("token") != nil {
		t.Error("another token with the same hash answered")
	}
}

func somebody(expires time.Time) *Principal { return &Principal{Subject: "s", ExpiresAt: expires} }

func TestTheMemoryIsBoundedInCountAndBytes(t *testing.T) {
	c := newCache(256, 64<<10)
	for i := range 5000 {
		c.put(fmt.Sprintf("token-%d-%s", i, strings.Repeat("x", i%700)), somebody(issuedAt), nil, 0)
	}
	count, bytes := weighAll(c)
	if count == 0 || count > 256 {
		t.Errorf("%d tokens are remembered", count)
	}
	if bytes > 64<<10 {
		t.Errorf("%d bytes are remembered", bytes)
	}
}

// weighAll counts again what the shards believe they hold.
func weighAll(c *cache) (count int, bytes int64) {
	for i := range c.shards {
		sum := int64(0)
		for j := range c.shards[i].places {
			if e := c.shards[i].places[j].Load(); e != nil {
				count++
				sum += e.bytes
			}
		}
		if sum != c.shards[i].bytes {
			panic("a shard counts wrong")
		}
		bytes += sum
	}
	return count, bytes
}

func TestATokenTooBigForTheMemoryIsLeftOut(t *testing.T) {
	c := newCache(4, 100)
	c.put(strings.Repeat("x", 1000), somebody(issuedAt), nil, 0)
	if count, _ := weighAll(c); count != 0 {
		t.Error("it is remembered beyond the limit")
	}
}

func TestAnExpiredTokenMakesRoomFirst(t *testing.T) {
	c := newCache(ways, 1<<20)
	now := issuedAt.Unix()
	for i := range ways {
		expires := issuedAt.Add(time.Duration(i) * time.Hour)
		c.put(fmt.Sprint("t", i), somebody(expires), nil, now-1)
	}
	c.put("new", somebody(issuedAt.Add(time.Minute)), nil, now)
	if c.get("t0") != nil || c.get("t1") == nil || c.get("new") == nil {
		t.Error("a living token was put out instead of the expired one")
	}
}

func TestAMemoryOfNothingStillVerifies(t *testing.T) {
	v, _ := newVerifier(t, func(o *Options) { o.CacheSize = -1 })
	mustVerify(t, v, golden(t, "ES256"))
	mustVerify(t, v, golden(t, "ES256"))
}

func TestManyAtOnceSeeOneTruth(t *testing.T) {
	dead, set := &revoked{}, NewKeySet()
	_ = set.Set(fixedKeys(t))
	v, _ := newVerifier(t, func(o *Options) { o.CacheSize, o.Revocations, o.Keys = 8, dead, set })
	tokens := manyTokens(t, 24)
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 200 {
				n := (g + i) % len(tokens)
				p, err := v.Verify(t.Context(), tokens[n])
				if err == nil && p.TokenID != fmt.Sprintf("token-%02d", n) {
					t.Errorf("token %d answered as %s", n, p.TokenID)
				}
				if err != nil && !errors.Is(err, ErrRevoked) {
					t.Error(err)
				}
				if i == 100 && g%8 == 0 {
					_ = set.Set(fixedKeys(t))
				}
			}
		})
	}
	wg.Go(func() { dead.add("token-07") })
	wg.Wait()
	if _, err := v.Verify(t.Context(), tokens[7]); !errors.Is(err, ErrRevoked) {
		t.Errorf("after the revocation: %v", err)
	}
	weighAll(v.cache)
}

func manyTokens(t testing.TB, n int) []string {
	tokens := make([]string, n)
	for i := range tokens {
		payload := swap(t, goodPayload, "01890a5d-ac96-774b-bcce-b302099a8059", fmt.Sprintf("token-%02d", i))
		tokens[i] = forge(t, "EdDSA", goodHeader(t, "EdDSA"), payload)
	}
	return tokens
}
