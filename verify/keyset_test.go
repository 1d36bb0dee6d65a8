package verify

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

func TestKeysThatDoNotFitTheirAlgorithmAreLeftOut(t *testing.T) {
	es, rs := fixedKey(t, "ES256"), fixedKey(t, "RS256")
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	for name, bad := range map[string]Key{
		"no kid":             {KID: "", Alg: "ES256", Public: es.Public},
		"a long kid":         {KID: strings.Repeat("k", maxKID+1), Alg: "ES256", Public: es.Public},
		"another algorithm":  {KID: "k", Alg: "RS256", Public: es.Public},
		"HS256":              {KID: "k", Alg: "HS256", Public: []byte("secret")},
		"none":               {KID: "k", Alg: "none", Public: nil},
		"PS256":              {KID: "k", Alg: "PS256", Public: rs.Public},
		"another curve":      {KID: "k", Alg: "ES256", Public: &p384.PublicKey},
		"RSA of 1024 bits":   {KID: "k", Alg: "RS256", Public: weak},
		"RSA with exponent1": {KID: "k", Alg: "RS256", Public: &rsa.PublicKey{N: rs.Public.(*rsa.PublicKey).N, E: 1}},
		"a short Ed25519":    {KID: "k", Alg: "EdDSA", Public: ed25519.PublicKey("short")},
		"not a pointer":      {KID: "k", Alg: "ES256", Public: *es.Public.(*ecdsa.PublicKey)}, //nolint:govet // on purpose
	} {
		set := NewKeySet()
		if err := set.Set([]Key{bad, es}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if set.size() != 1 {
			t.Errorf("%s: the set has %d keys, want the good one alone", name, set.size())
		}
	}
}

func TestTheFirstOfTwoKeysWithOneKidCounts(t *testing.T) {
	first, second := fixedKey(t, "ES256"), fixedKey(t, "RS256")
	second.KID = first.KID
	set := NewKeySet()
	if err := set.Set([]Key{first, second}); err == nil {
		t.Error("no error")
	}
	if k, err := set.Key(t.Context(), first.KID); err != nil || k.Alg != "ES256" {
		t.Errorf("got %v, %v", k.Alg, err)
	}
}

// jwksOf wraps members into a key set.
func jwksOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func fixedJWK(t testing.TB, alg string) string {
	t.Helper()
	k := fixedKey(t, alg)
	switch pub := k.Public.(type) {
	case *ecdsa.PublicKey:
		raw, _ := pub.Bytes()
		return fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":"%s","x":"%s","y":"%s"}`, k.KID, b64(string(raw[1:33])), b64(string(raw[33:])))
	case ed25519.PublicKey:
		return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":"%s","x":"%s"}`, k.KID, b64(string(pub)))
	case *rsa.PublicKey:
		return fmt.Sprintf(`{"kty":"RSA","kid":"%s","n":"%s","e":"AQAB"}`, k.KID, b64(string(pub.N.Bytes())))
	}
	t.Fatal("no such key")
	return ""
}

func TestAKeySetIsReadWithoutWhatCannotBeUsed(t *testing.T) {
	ec, ed, rs := fixedJWK(t, "ES256"), fixedJWK(t, "EdDSA"), fixedJWK(t, "RS256")
	in := func(key, more string) string { return swap(t, key, `{"kty"`, `{`+more+`,"kty"`) }
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"all three":                {jwksOf(ec, ed, rs), 3},
		"none":                     {jwksOf(), 0},
		"no keys at all":           {`{}`, 0},
		"unknown members":          {`{"a":1,"keys":[` + in(ec, `"x5c":["MII"],"z":{"q":null}`) + `]}`, 1},
		"use sig":                  {jwksOf(in(ec, `"use":"sig"`)), 1},
		"use enc":                  {jwksOf(in(ec, `"use":"enc"`)), 0},
		"key_ops verify":           {jwksOf(in(ec, `"key_ops":["verify"]`)), 1},
		"key_ops encrypt":          {jwksOf(in(ec, `"key_ops":["encrypt",1]`)), 0},
		"alg of its own":           {jwksOf(in(rs, `"alg":"RS256"`)), 1},
		"alg PS256":                {jwksOf(in(rs, `"alg":"PS256"`)), 0},
		"alg HS256":                {jwksOf(in(ec, `"alg":"HS256"`)), 0},
		"a private key":            {jwksOf(in(ec, `"d":"AAAA"`)), 0},
		"a symmetric key":          {jwksOf(`{"kty":"oct","kid":"k","k":"AAAA"}`), 0},
		"an unknown kty":           {jwksOf(`{"kty":"AKP","kid":"k"}`, ed), 1},
		"P-521":                    {jwksOf(swap(t, ec, "P-256", "P-521")), 0},
		"X25519":                   {jwksOf(swap(t, ed, "Ed25519", "X25519")), 0},
		"no kid":                   {jwksOf(swap(t, ed, `"kid":"`+fixedKey(t, "EdDSA").KID+`",`, ``)), 0},
		"kid a number":             {jwksOf(swap(t, ed, `"`+fixedKey(t, "EdDSA").KID+`"`, `7`)), 0},
		"one kid twice":            {jwksOf(ec, ec), 1},
		"a point off the curve":    {jwksOf(`{"kty":"EC","crv":"P-256","kid":"k","x":"` + b64(strings.Repeat("a", 32)) + `","y":"` + b64(strings.Repeat("a", 32)) + `"}`), 0},
		"a point of zeros":         {jwksOf(`{"kty":"EC","crv":"P-256","kid":"k","x":"` + b64(strings.Repeat("\x00", 32)) + `","y":"` + b64(strings.Repeat("\x00", 32)) + `"}`), 0},
		"a short coordinate":       {jwksOf(`{"kty":"EC","crv":"P-256","kid":"k","x":"AAAA","y":"AAAA"}`), 0},
		"RSA of 1024 bits":         {jwksOf(`{"kty":"RSA","kid":"k","e":"AQAB","n":"` + b64(strings.Repeat("\xff", 128)) + `"}`), 0},
		"RSA of 16384 bits":        {jwksOf(`{"kty":"RSA","kid":"k","e":"AQAB","n":"` + b64(strings.Repeat("\xff", 2048)) + `"}`), 0},
		"RSA with an even e":       {jwksOf(swap(t, rs, "AQAB", "AQAA")), 0},
		"RSA with e of 1":          {jwksOf(swap(t, rs, "AQAB", "AQ")), 0},
		"RSA with a huge e":        {jwksOf(swap(t, rs, "AQAB", "_________w")), 0},
		"RSA with an even modulus": {jwksOf(`{"kty":"RSA","kid":"k","e":"AQAB","n":"` + b64(strings.Repeat("\xfe", 256)) + `"}`), 0},
		"n not base64url":          {jwksOf(`{"kty":"RSA","kid":"k","e":"AQAB","n":"+/=="}`), 0},
		"n empty":                  {jwksOf(`{"kty":"RSA","kid":"k","e":"AQAB","n":""}`), 0},
		"only kty":                 {jwksOf(`{"kty":"EC"}`, `{}`), 0},
	} {
		keys, err := parseKeySet(c.text)
		if err != nil || len(keys) != c.want {
			t.Errorf("%s: %d keys and %v, want %d", name, len(keys), err, c.want)
		}
	}
}

func TestAKeySetThatIsNotStrictJSONIsRefusedAsAWhole(t *testing.T) {
	ec := fixedJWK(t, "ES256")
	for name, text := range map[string]string{
		"empty":           "",
		"html":            "<!doctype html>",
		"an array":        "[" + ec + "]",
		"keys an object":  `{"keys":{}}`,
		"keys twice":      `{"keys":[],"keys":[` + ec + `]}`,
		"a name twice":    jwksOf(swap(t, ec, `{"kty"`, `{"x":"AAAA","kty"`)),
		"a key a string":  jwksOf(`"key"`),
		"cut":             jwksOf(ec)[:60],
		"trailing data":   jwksOf(ec) + "x",
		"too many keys":   jwksOf(strings.Split(strings.Repeat("{},", maxKeys)+"{}", ",")...),
		"nested too deep": `{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`,
	} {
		if keys, err := parseKeySet(text); err == nil {
			t.Errorf("%s: accepted with %d keys", name, len(keys))
		}
	}
}
