package verify

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGoldenTokensOfEveryAlgorithmVerify(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		t.Run(alg, func(t *testing.T) {
			v, _ := newVerifier(t)
			p, err := v.Verify(t.Context(), golden(t, alg))
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, p, fixedKey(t, alg).KID)
		})
	}
}

func checkGolden(t *testing.T, p *Principal, kid string) {
	t.Helper()
	if p.Subject != "01890a5d-ac96-774b-bcce-b302099a8057" || p.SessionID != "01890a5d-ac96-774b-bcce-b302099a8058" ||
		p.TokenID != "01890a5d-ac96-774b-bcce-b302099a8059" || p.ClientID != "gatehouse" || p.KeyID != kid || p.ACR != "aal1" {
		t.Errorf("names: %+v", p)
	}
	if !slices.Equal(p.AMR, []string{"pwd"}) || !slices.Equal(p.Scope, []string{"profile", "orders:read"}) ||
		!slices.Equal(p.Roles, []string{"admin"}) || !slices.Equal(p.Audience, []string{issuer}) {
		t.Errorf("lists: %+v", p)
	}
	if !p.IssuedAt.Equal(issuedAt) || !p.ExpiresAt.Equal(issuedAt.Add(10*time.Minute)) || !p.AuthTime.Equal(issuedAt.Add(-45*time.Second)) {
		t.Errorf("times: %v %v %v", p.IssuedAt, p.ExpiresAt, p.AuthTime)
	}
	if !p.HasGeneration || p.Generation != 3 || !p.HasClientGeneration || p.ClientGeneration != 0 {
		t.Errorf("generations: %+v", p)
	}
	if p.Sub[15] != 0x57 || p.SID[15] != 0x58 || p.JTI[15] != 0x59 || p.Sub[0] != 0x01 {
		t.Errorf("binary ids: %x %x %x", p.Sub, p.SID, p.JTI)
	}
}

func TestAGenuineTokenMayLookDifferent(t *testing.T) {
	header := goodHeader(t, "ES256")
	for name, token := range map[string]string{
		"typ in capitals":                forge(t, "ES256", swap(t, header, "at+jwt", "AT+JWT"), goodPayload),
		"typ with application/ (9068 4)": forge(t, "ES256", swap(t, header, "at+jwt", "application/at+jwt"), goodPayload),
		"white space in the JSON":        forge(t, "ES256", strings.ReplaceAll(header, ",", " ,\n\t"), swap(t, goodPayload, `{"iss"`, "{ \"iss\" ")),
		"several audiences":              forge(t, "ES256", header, swap(t, goodPayload, `"aud":"https://login.example.com"`, `"aud":["x","https://login.example.com"]`)),
		"unknown claims":                 forge(t, "ES256", header, swap(t, goodPayload, `{"iss"`, `{"x":{"y":[1.5e3,-0,true,null,"\ud83d\ude00"]},"iss"`)),
		"no gen":                         forge(t, "ES256", header, swap(t, goodPayload, `,"gen":3,"cgen":0`, ``)),
		"iat 60 s ahead (leeway)":        forge(t, "ES256", header, swap(t, goodPayload, `"iat":1767323045`, `"iat":1767323106`)),
		"nbf 60 s ahead (leeway)":        forge(t, "ES256", header, swap(t, goodPayload, `{"iss"`, `{"nbf":1767323106,"iss"`)),
		"names with escapes":             forge(t, "ES256", header, swap(t, goodPayload, `"iss":`, "\"is\\u0073\":")),
	} {
		v, _ := newVerifier(t)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// forged lists tokens that must be refused, by what is wrong with each. All
// have a valid signature unless the name says otherwise.
func forged(t testing.TB) map[string]struct {
	token string
	want  *Error
} {
	type bad = struct {
		token string
		want  *Error
	}
	head, good := goodHeader(t, "ES256"), golden(t, "ES256")
	payload := func(old, new string) string { return forge(t, "ES256", head, swap(t, goodPayload, old, new)) }
	header := func(old, new string) string { return forge(t, "ES256", swap(t, head, old, new), goodPayload) }
	last := strings.LastIndexByte(good, '.')
	all := map[string]bad{
		// Spelling.
		"empty":                        {"", ErrMalformed},
		"only dots":                    {"..", ErrMalformed},
		"one segment":                  {good[:strings.IndexByte(good, '.')], ErrMalformed},
		"two segments":                 {good[:last], ErrMalformed},
		"no signature":                 {good[:last+1], ErrMalformed},
		"a trailing dot":               {good + ".", ErrMalformed},
		"five segments, as a JWE":      {good + ".a.b", ErrMalformed},
		"no header":                    {good[strings.IndexByte(good, '.'):], ErrMalformed},
		"padding":                      {good + "==", ErrMalformed},
		"a line feed in the signature": {good[:last+5] + "\n" + good[last+5:], ErrMalformed},
		"a line feed in the header":    {good[:5] + "\r\n" + good[5:], ErrMalformed},
		"a space before":               {" " + good, ErrMalformed},
		"a NUL after":                  {good + "\x00", ErrMalformed},
		"the standard alphabet":        {good[:last+3] + "+/" + good[last+5:], ErrMalformed},
		"not ASCII":                    {good[:last+3] + "é" + good[last+5:], ErrMalformed},
		"cut by one":                   {good[:len(good)-1], ErrMalformed},
		"extended by one":              {good + "A", ErrSignature},
		"extended by four":             {good + "AAAA", ErrSignature},
		"over 8 KB":                    {good + strings.Repeat("A", maxToken), ErrTooLong},
		"trailing bits in signature":   {good[:len(good)-1] + nextBits(good[len(good)-1]), ErrMalformed},
		"a huge header":                {strings.Repeat("A", maxHeader+4) + good[strings.IndexByte(good, '.'):], ErrMalformed},

		// Header.
		"no typ":               {header(`"typ":"at+jwt",`, ``), ErrType},
		"typ JWT":              {header("at+jwt", "JWT"), ErrType},
		"an ID token":          {header("at+jwt", "id+jwt"), ErrType},
		"typ a number":         {header(`"at+jwt"`, "1"), ErrHeader},
		"typ with application": {header("at+jwt", "application/"), ErrType},
		"crit of nothing":      {header(`{`, `{"crit":[],`), ErrHeader},
		"crit of exp":          {header(`{`, `{"crit":["exp"],"exp":1,`), ErrHeader},
		"crit of b64":          {header(`{`, `{"crit":["b64"],"b64":false,`), ErrHeader},
		"jwk":                  {header(`{`, `{"jwk":{"kty":"EC"},`), ErrHeader},
		"jku":                  {header(`{`, `{"jku":"https://evil.example/jwks.json",`), ErrHeader},
		"x5u":                  {header(`{`, `{"x5u":"https://evil.example/cert",`), ErrHeader},
		"x5c":                  {header(`{`, `{"x5c":["MII"],`), ErrHeader},
		"zip":                  {header(`{`, `{"zip":"DEF",`), ErrHeader},
		"cty":                  {header(`{`, `{"cty":"JWT",`), ErrHeader},
		"ALG in capitals":      {header(`"alg"`, `"ALG"`), ErrHeader},
		"alg twice":            {header(`{`, `{"alg":"none",`), ErrHeader},
		"kid twice by escape":  {header(`{`, "{\"k\\u0069d\":\"x\","), ErrHeader},
		"no kid":               {header(`,"kid":"`+fixedKey(t, "ES256").KID+`"`, ``), ErrUnknownKey},
		"empty kid":            {header(fixedKey(t, "ES256").KID, ``), ErrUnknownKey},
		"unknown kid":          {header(fixedKey(t, "ES256").KID, `../../etc/passwd`), ErrUnknownKey},
		"kid of another alg":   {header(fixedKey(t, "ES256").KID, fixedKey(t, "RS256").KID), ErrAlgorithm},
		"kid null":             {header(`"`+fixedKey(t, "ES256").KID+`"`, `null`), ErrHeader},
		"header an array":      {forge(t, "ES256", "[]", goodPayload), ErrHeader},
		"header trailing data": {forge(t, "ES256", head+"{}", goodPayload), ErrHeader},
		"header not UTF-8":     {header("at+jwt", "at+jwt\xff"), ErrHeader},
		"header with a BOM":    {forge(t, "ES256", "\ufeff"+head, goodPayload), ErrHeader},
		"header empty object":  {forge(t, "ES256", "{}", goodPayload), ErrUnknownKey},
		"deep header":          {header(`{`, `{"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`,`), ErrHeader},

		// Algorithm and signature.
		"alg none, no signature":     {b64(swap(t, head, "ES256", "none")) + "." + b64(goodPayload) + ".", ErrMalformed},
		"alg none, some signature":   {b64(swap(t, head, "ES256", "none")) + "." + b64(goodPayload) + ".AAAA", ErrAlgorithm},
		"alg nOnE":                   {b64(swap(t, head, "ES256", "nOnE")) + "." + b64(goodPayload) + ".AAAA", ErrAlgorithm},
		"HS256 with the public key":  {hmacForgery(t), ErrAlgorithm},
		"ES384":                      {header("ES256", "ES384"), ErrAlgorithm},
		"no alg":                     {header(`"alg":"ES256",`, ``), ErrAlgorithm},
		"an all-zero signature":      {good[:last+1] + strings.Repeat("A", 86), ErrSignature}, // CVE-2022-21449
		"a DER signature":            {derSignature(t, good), ErrSignature},
		"payload of another token":   {swapPayload(good, swap(t, goodPayload, `"admin"`, `"owner"`)), ErrSignature},
		"signature of another token": {good[:last] + payload(`"admin"`, `"owner"`)[strings.LastIndexByte(payload(`"admin"`, `"owner"`), '.'):], ErrSignature},
		"signed by another key":      {forge(t, "RS256", swap(t, goodHeader(t, "RS256"), fixedKey(t, "RS256").KID, fixedKey(t, "ES256").KID), goodPayload), ErrAlgorithm},

		// Payload.
		"other iss":                {payload(`"iss":"https://login.example.com"`, `"iss":"https://evil.example"`), ErrIssuer},
		"iss with a slash":         {payload(`"iss":"https://login.example.com"`, `"iss":"https://login.example.com/"`), ErrIssuer},
		"no iss":                   {payload(`"iss":"https://login.example.com",`, ``), ErrIssuer},
		"iss an array":             {payload(`"iss":"https://login.example.com"`, `"iss":["https://login.example.com"]`), ErrClaims},
		"other aud":                {payload(`"aud":"https://login.example.com"`, `"aud":"https://api.example.com"`), ErrAudience},
		"aud of other ones":        {payload(`"aud":"https://login.example.com"`, `"aud":["a","b"]`), ErrAudience},
		"aud of none":              {payload(`"aud":"https://login.example.com"`, `"aud":[]`), ErrAudience},
		"no aud":                   {payload(`"aud":"https://login.example.com",`, ``), ErrAudience},
		"aud with a number":        {payload(`"aud":"https://login.example.com"`, `"aud":["https://login.example.com",1]`), ErrClaims},
		"aud an object":            {payload(`"aud":"https://login.example.com"`, `"aud":{}`), ErrClaims},
		"no exp":                   {payload(`"exp":1767323645,`, ``), ErrClaims},
		"exp null":                 {payload(`"exp":1767323645`, `"exp":null`), ErrClaims},
		"exp a string":             {payload(`"exp":1767323645`, `"exp":"1767323645"`), ErrClaims},
		"exp a fraction":           {payload(`"exp":1767323645`, `"exp":1767323645.5`), ErrClaims},
		"exp 1e400":                {payload(`"exp":1767323645`, `"exp":1e400`), ErrClaims},
		"exp with an exponent":     {payload(`"exp":1767323645`, `"exp":1767323645e0`), ErrClaims},
		"exp beyond 64 bits":       {payload(`"exp":1767323645`, `"exp":18446744073709551616`), ErrClaims},
		"exp at the 64-bit end":    {payload(`"exp":1767323645`, `"exp":9223372036854775807`), ErrClaims},
		"exp negative":             {payload(`"exp":1767323645`, `"exp":-1`), ErrClaims},
		"exp with a leading zero":  {payload(`"exp":1767323645`, `"exp":01767323645`), ErrClaims},
		"exp true":                 {payload(`"exp":1767323645`, `"exp":true`), ErrClaims},
		"exp zero":                 {payload(`"exp":1767323645`, `"exp":0`), ErrExpired},
		"exp now":                  {payload(`"exp":1767323645`, `"exp":1767323046`), ErrExpired},
		"exp before iat":           {payload(`"iat":1767323045,"exp":1767323645`, `"iat":1767323100,"exp":1767323099`), ErrLifetime},
		"a life of a year":         {payload(`"exp":1767323645`, `"exp":1798859045`), ErrLifetime},
		"no iat":                   {payload(`"iat":1767323045,`, ``), ErrClaims},
		"iat in the future":        {payload(`"iat":1767323045`, `"iat":1767323107`), ErrNotYet},
		"nbf in the future":        {payload(`{"iss"`, `{"nbf":1767323107,"iss"`), ErrNotYet},
		"nbf a string":             {payload(`{"iss"`, `{"nbf":"0","iss"`), ErrClaims},
		"no sub":                   {payload(`"sub":"01890a5d-ac96-774b-bcce-b302099a8057",`, ``), ErrClaims},
		"sub empty":                {payload(`"sub":"01890a5d-ac96-774b-bcce-b302099a8057"`, `"sub":""`), ErrClaims},
		"sub a number":             {payload(`"sub":"01890a5d-ac96-774b-bcce-b302099a8057"`, `"sub":1`), ErrClaims},
		"no sid":                   {payload(`"sid":"01890a5d-ac96-774b-bcce-b302099a8058",`, ``), ErrClaims},
		"no jti":                   {payload(`"jti":"01890a5d-ac96-774b-bcce-b302099a8059",`, ``), ErrClaims},
		"no client_id":             {payload(`"client_id":"gatehouse",`, ``), ErrClaims},
		"gen a string":             {payload(`"gen":3`, `"gen":"3"`), ErrClaims},
		"gen negative":             {payload(`"gen":3`, `"gen":-3`), ErrClaims},
		"roles a string":           {payload(`["admin"]`, `"admin"`), ErrClaims},
		"scope an array":           {payload(`"scope":"profile orders:read"`, `"scope":["profile"]`), ErrClaims},
		"exp twice":                {payload(`{"iss"`, `{"exp":9767323645,"iss"`), ErrClaims},
		"roles twice by escape":    {payload(`{"iss"`, "{\"r\\u006fles\":[\"owner\"],\"iss\""), ErrClaims},
		"a name twice, deep":       {payload(`{"iss"`, `{"x":[{"y":{"a":1,"a":2}}],"iss"`), ErrClaims},
		"deep JSON":                {payload(`{"iss"`, `{"x":`+strings.Repeat(`[`, 1500)+strings.Repeat(`]`, 1500)+`,"iss"`), ErrClaims},
		"deep and open":            {forge(t, "ES256", head, strings.Repeat(`{"a":`, 800)), ErrClaims},
		"many names":               {payload(`{"iss"`, `{`+manyNames(80)+`"iss"`), ErrClaims},
		"payload an array":         {forge(t, "ES256", head, `[]`), ErrClaims},
		"payload a string":         {forge(t, "ES256", head, `"x"`), ErrClaims},
		"payload not JSON":         {forge(t, "ES256", head, `hello`), ErrClaims},
		"payload empty object":     {forge(t, "ES256", head, `{}`), ErrClaims},
		"payload trailing data":    {forge(t, "ES256", head, goodPayload+`{}`), ErrClaims},
		"payload trailing comma":   {payload(`"cgen":0}`, `"cgen":0,}`), ErrClaims},
		"payload single quotes":    {payload(`"gen"`, `'gen'`), ErrClaims},
		"payload with a comment":   {payload(`"cgen":0}`, `"cgen":0/**/}`), ErrClaims},
		"payload not UTF-8":        {payload(`"admin"`, "\"adm\xffin\""), ErrClaims},
		"a lone surrogate":         {payload(`"admin"`, `"\ud800"`), ErrClaims},
		"a control character":      {payload(`"admin"`, "\"a\x01\""), ErrClaims},
		"a bad escape":             {payload(`"admin"`, `"\x41"`), ErrClaims},
		"NaN":                      {payload(`"gen":3`, `"gen":NaN`), ErrClaims},
		"trailing bits in payload": {bitsInPayload(t, head), ErrMalformed},
	}
	return all
}

// nextBits changes the unused low bits of the last character of 64 bytes.
func nextBits(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, last)|1])
}

// bitsInPayload signs a payload whose base64 has non-zero unused bits.
func bitsInPayload(t testing.TB, head string) string {
	body := goodPayload
	for len(body)%3 != 1 {
		body += " "
	}
	encoded := b64(body)
	encoded = encoded[:len(encoded)-1] + nextBits(encoded[len(encoded)-1])
	return resign(t, b64(head)+"."+encoded)
}

func resign(t testing.TB, signed string) string {
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(nil, privateKey(t, "ES256").(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// hmacForgery is the classic: HS256 keyed with the public key as everybody can
// read it.
func hmacForgery(t testing.TB) string {
	der, err := x509.MarshalPKIXPublicKey(fixedKey(t, "RS256").Public)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	signed := b64(swap(t, goodHeader(t, "RS256"), "RS256", "HS256")) + "." + b64(goodPayload)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// derSignature spells the good signature as ASN.1, which JWS does not use
// (RFC 7518, section 3.4).
func derSignature(t testing.TB, token string) string {
	r, s := splitSignature(t, token)
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	return token[:strings.LastIndexByte(token, '.')+1] + base64.RawURLEncoding.EncodeToString(der)
}

func splitSignature(t testing.TB, token string) (r, s *big.Int) {
	raw, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
	if err != nil || len(raw) != 64 {
		t.Fatal(err, len(raw))
	}
	return new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])
}

func swapPayload(token, payload string) string {
	part := strings.Split(token, ".")
	return part[0] + "." + b64(payload) + "." + part[2]
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"n` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `":0,`)
	}
	return b.String()
}

func TestEveryForgedTokenIsRefusedForItsReason(t *testing.T) {
	for name, bad := range forged(t) {
		t.Run(name, func(t *testing.T) {
			v, _ := newVerifier(t)
			for range 2 { // a refusal is not remembered as a pass
				p, err := v.Verify(t.Context(), bad.token)
				if p != nil || !errors.Is(err, bad.want) {
					t.Fatalf("got %v, %v; want %v", p, err, bad.want)
				}
			}
			if e, ok := errors.AsType[*Error](errOf(v.Verify(t.Context(), bad.token))); !ok || strings.ContainsAny(e.Description, "\"\\") {
				t.Errorf("the description does not fit into a challenge: %v", e)
			}
		})
	}
}

func errOf(_ *Principal, err error) error { return err }

// ECDSA signatures are malleable: (r, n-s) is as good as (r, s), and neither
// RFC 7518 nor Go asks for the lower one. Nothing here tells tokens apart by
// their bytes: revocation names jti, sid, sub and kid, and the twin of a token
// has the same ones.
func TestTheMalleatedTwinOfATokenFallsWithIt(t *testing.T) {
	twin := malleate(t, golden(t, "ES256"))
	dead := &revoked{}
	v, _ := newVerifier(t, func(o *Options) { o.Revocations = dead })
	if _, err := v.Verify(t.Context(), twin); err != nil {
		t.Fatal(err)
	}
	dead.add("01890a5d-ac96-774b-bcce-b302099a8059")
	if _, err := v.Verify(t.Context(), twin); !errors.Is(err, ErrRevoked) {
		t.Errorf("got %v", err)
	}
}

func malleate(t *testing.T, token string) string {
	r, s := splitSignature(t, token)
	s.Sub(fixedKey(t, "ES256").Public.(*ecdsa.PublicKey).Params().N, s)
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return token[:strings.LastIndexByte(token, '.')+1] + base64.RawURLEncoding.EncodeToString(raw)
}

func TestExpiryHasNoLeewayAndCountsInMemoryToo(t *testing.T) {
	v, c := newVerifier(t)
	token := golden(t, "EdDSA")
	c.Set(issuedAt.Add(10*time.Minute - time.Nanosecond))
	for range 2 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	c.Set(issuedAt.Add(10 * time.Minute))
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrExpired) {
		t.Errorf("got %v", err)
	}
}

func TestTheLongestLifetimeIsASetting(t *testing.T) {
	for life, want := range map[time.Duration]error{10 * time.Minute: nil, 10*time.Minute - time.Second: ErrLifetime} {
		v, _ := newVerifier(t, func(o *Options) { o.MaxLifetime = life })
		if _, err := v.Verify(t.Context(), golden(t, "ES256")); !errors.Is(err, want) {
			t.Errorf("%v: got %v, want %v", life, err, want)
		}
	}
}

func TestAnAudienceOfItsOwnIsAsked(t *testing.T) {
	v, _ := newVerifier(t, func(o *Options) { o.Audience = "https://api.example.com" })
	if _, err := v.Verify(t.Context(), golden(t, "ES256")); !errors.Is(err, ErrAudience) {
		t.Errorf("got %v", err)
	}
}

func TestAKeyTakenOutOfTheSetTakesRememberedTokensAlong(t *testing.T) {
	set := NewKeySet()
	if err := set.Set(fixedKeys(t)); err != nil {
		t.Fatal(err)
	}
	v, _ := newVerifier(t, func(o *Options) { o.Keys = set })
	token := golden(t, "ES256")
	mustVerify(t, v, token)
	if err := set.Set(fixedKeys(t)); err != nil { // the same keys again
		t.Fatal(err)
	}
	mustVerify(t, v, token)
	if err := set.Set([]Key{fixedKey(t, "RS256")}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
}

func mustVerify(t testing.TB, v *Verifier, token string) *Principal {
	t.Helper()
	p, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAKidThatGetsAnotherKeyIsCheckedAgain(t *testing.T) {
	keys := []Key{fixedKey(t, "ES256")}
	v, _ := newVerifier(t, func(o *Options) { o.Keys = StaticKeys(func() []Key { return keys }) })
	token := golden(t, "ES256")
	mustVerify(t, v, token)
	mustVerify(t, v, token)
	other, _ := generate(t)
	other.KID = keys[0].KID
	keys = []Key{other}
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrSignature) {
		t.Errorf("got %v", err)
	}
	keys = nil
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
}

func TestAFailingKeySourceLetsNobodyIn(t *testing.T) {
	v, _ := newVerifier(t, func(o *Options) { o.Keys = brokenSource{} })
	_, err := v.Verify(t.Context(), golden(t, "ES256"))
	if e, ok := errors.AsType[*Error](err); !ok || e.Status() != 503 {
		t.Errorf("got %v", err)
	}
}

type brokenSource struct{}

func (brokenSource) Key(context.Context, string) (Key, error) {
	return Key{}, errors.New("disk on fire")
}

func TestRevocationIsAskedOnEveryCheck(t *testing.T) {
	dead := &revoked{}
	v, _ := newVerifier(t, func(o *Options) { o.Revocations = dead })
	token := golden(t, "RS256")
	mustVerify(t, v, token)
	mustVerify(t, v, token)
	dead.add("01890a5d-ac96-774b-bcce-b302099a8059")
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrRevoked) {
		t.Errorf("remembered: %v", err)
	}
	fresh, _ := newVerifier(t, func(o *Options) { o.Revocations = dead })
	if _, err := fresh.Verify(t.Context(), token); !errors.Is(err, ErrRevoked) {
		t.Errorf("first sight: %v", err)
	}
}

func TestAppendingToAPrincipalsListsLeavesTheMemoryAlone(t *testing.T) {
	v, _ := newVerifier(t)
	p := mustVerify(t, v, golden(t, "ES256"))
	_ = append(p.Roles, "owner")
	_ = append(p.Scope, "everything")
	if cap(p.Roles) != len(p.Roles) || cap(p.Scope) != len(p.Scope) || cap(p.AMR) != len(p.AMR) {
		t.Error("an append would write into shared memory")
	}
}

func TestOnlyTheCanonicalFormOfAUUIDHasBytes(t *testing.T) {
	zero := [16]byte{}
	for _, s := range []string{"", "gatehouse", "01890A5D-AC96-774B-BCCE-B302099A8057", "01890a5dac96774bbcceb302099a8057",
		"01890a5d-ac96-774b-bcce-b302099a805g", "01890a5d+ac96-774b-bcce-b302099a8057", "{1890a5d-ac96-774b-bcce-b302099a8057"} {
		if uuidBytes(s) != zero {
			t.Errorf("%q has bytes", s)
		}
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no issuer":     {},
		"plain http":    {Issuer: issuer, JWKSURL: "http://login.example.com/jwks.json"},
		"a relative":    {Issuer: issuer, JWKSURL: "/jwks.json"},
		"another kind":  {Issuer: issuer, JWKSURL: "file:///etc/jwks.json"},
		"with password": {Issuer: issuer, JWKSURL: "https://user:pw@login.example.com/jwks.json"},
		"no url at all": {Issuer: "gatehouse"},
		"loopback name": {Issuer: issuer, JWKSURL: "http://localhost.evil.example/jwks.json"},
	} {
		if v, err := New(o); err == nil {
			v.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}
