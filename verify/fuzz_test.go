package verify

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzVerify: no bytes crash the verifier, and none but the golden tokens and
// their like get in: whatever is accepted decodes, by another reader too, to
// what the Principal says.
func FuzzVerify(f *testing.F) {
	for _, bad := range forged(f) {
		if len(bad.token) < 2000 {
			f.Add(bad.token)
		}
	}
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		f.Add(golden(f, alg))
	}
	v, _ := newVerifier(f)
	known := map[string]bool{golden(f, "ES256"): true, golden(f, "EdDSA"): true, golden(f, "RS256"): true}
	f.Fuzz(func(t *testing.T, token string) {
		p, err := v.Verify(t.Context(), token)
		if (p == nil) == (err == nil) {
			t.Fatal("neither or both")
		}
		if err == nil && !known[token] {
			t.Fatalf("a token that nobody signed gets in: %q", token)
		}
	})
}

// FuzzClaims: what the strict reader accepts, encoding/json reads in the same
// way; what it refuses for its spelling may be anything.
func FuzzClaims(f *testing.F) {
	f.Add(goodPayload)
	f.Add(`{"iss":"\ud83d\ude00","x":[1.5e3,{"a":null}],"aud":["a","b"]}`)
	f.Add(`{"iss":"a","iss":"b"}`)
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := parseClaims(b64(payload))
		if err != nil {
			return
		}
		var loose struct {
			Issuer  string `json:"iss"`
			Subject string `json:"sub"`
		}
		all := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(payload), &all); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		_ = json.Unmarshal(all["iss"], &loose.Issuer)
		_ = json.Unmarshal(all["sub"], &loose.Subject)
		if c.issuer != loose.Issuer || c.subject != loose.Subject {
			t.Fatalf("read as %q %q, by encoding/json as %q %q", c.issuer, c.subject, loose.Issuer, loose.Subject)
		}
		checkNumber(t, all["exp"], c.expires)
	})
}

func checkNumber(t *testing.T, raw json.RawMessage, got int64) {
	if raw == nil {
		return
	}
	var n int64
	if err := json.Unmarshal(bytes.TrimSpace(raw), &n); err != nil || n != got {
		t.Fatalf("%s is read as %d (%v)", raw, got, err)
	}
}

// FuzzKeySet: no document crashes the reader, and every key it gives fits its
// algorithm.
func FuzzKeySet(f *testing.F) {
	f.Add(readFile(f, "jwks.json"))
	f.Add(jwksOf(`{"kty":"RSA","kid":"k","e":"AQAB","n":"` + b64(strings.Repeat("\xff", 128)) + `"}`))
	f.Add(jwksOf(fixedJWK(f, "ES256"), fixedJWK(f, "EdDSA"), `{}`))
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseKeySet(text)
		if err != nil {
			return
		}
		if err := NewKeySet().Set(keys); err != nil {
			t.Fatal(err)
		}
	})
}
