package verify

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const issuer = "https://login.example.com"

// issuedAt is when the golden tokens were issued; they live for ten minutes.
var issuedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: issuedAt.Add(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func fixedKeys(t testing.TB) []Key {
	t.Helper()
	keys, err := parseKeySet(readFile(t, "jwks.json"))
	if err != nil || len(keys) != 3 {
		t.Fatalf("the fixed key set gives %d keys and %v", len(keys), err)
	}
	return keys
}

func fixedKey(t testing.TB, alg string) Key {
	t.Helper()
	for _, k := range fixedKeys(t) {
		if k.Alg == alg {
			return k
		}
	}
	t.Fatalf("no fixed key for %s", alg)
	return Key{}
}

func golden(t testing.TB, alg string) string {
	t.Helper()
	tokens := map[string]string{}
	if err := json.Unmarshal([]byte(readFile(t, "golden.json")), &tokens); err != nil {
		t.Fatal(err)
	}
	return tokens[alg]
}

func privateKey(t testing.TB, alg string) crypto.Signer {
	t.Helper()
	block, _ := pem.Decode([]byte(readFile(t, strings.ToLower(alg)+".pem")))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

// newVerifier accepts the fixed keys at the time of the golden tokens.
func newVerifier(t testing.TB, change ...func(*Options)) (*Verifier, *clock) {
	t.Helper()
	c, set := newClock(), NewKeySet()
	if err := set.Set(fixedKeys(t)); err != nil {
		t.Fatal(err)
	}
	o := Options{Issuer: issuer, Keys: set, Clock: c.Now}
	for _, f := range change {
		f(&o)
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v, c
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs any two strings as header and payload, with a valid signature.
func forge(t testing.TB, alg, header, payload string) string {
	t.Helper()
	signed := b64(header) + "." + b64(payload)
	sig, err := jwt.GetSigningMethod(alg).Sign(signed, privateKey(t, alg))
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// goodHeader is what Gatehouse writes.
func goodHeader(t testing.TB, alg string) string {
	return `{"alg":"` + alg + `","typ":"at+jwt","kid":"` + fixedKey(t, alg).KID + `"}`
}

const goodPayload = `{"iss":"https://login.example.com","aud":"https://login.example.com",` +
	`"sub":"01890a5d-ac96-774b-bcce-b302099a8057","client_id":"gatehouse",` +
	`"sid":"01890a5d-ac96-774b-bcce-b302099a8058","jti":"01890a5d-ac96-774b-bcce-b302099a8059",` +
	`"iat":1767323045,"exp":1767323645,"auth_time":1767323000,"acr":"aal1","amr":["pwd"],` +
	`"scope":"profile orders:read","roles":["admin"],"gen":3,"cgen":0}`

// swap replaces one part of the good payload and fails when it is not there.
func swap(t testing.TB, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not in the text once", old)
	}
	return strings.Replace(text, old, new, 1)
}
