package verify

import (
	"errors"
	"strings"
	"testing"
)

// The examples of the RFCs, decided as they are listed. Each is judged twice:
// its signature by the key that the RFC gives, and the whole of it as an access
// token, which none of them is: they have no kid, no type, or an algorithm that
// is not ours (RFC 8725, section 3.1; RFC 9068, section 4).

// RFC 7515, appendices A.1 to A.3; the payload of A.1 is the token of RFC 7519,
// section 3.1.
const (
	joe   = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	hs256 = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + joe + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	rs256 = "eyJhbGciOiJSUzI1NiJ9." + joe + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	es256 = "eyJhbGciOiJFUzI1NiJ9." + joe + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	// RFC 7515, appendix A.4: ES512 over "Payload".
	es512 = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
	// RFC 7515, appendix A.5, which is RFC 7519, section 6.1.
	unsecured = "eyJhbGciOiJub25lIn0." + joe + "."
	// RFC 8037, appendix A.4.
	ed25519JWS = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

// rfcKeys are the public keys of the appendices, with the names that a set
// asks for.
const rfcKeys = `{"keys":[
{"kid":"A.2","alg":"RS256","kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
{"kid":"A.3","alg":"ES256","kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
{"kid":"8037","alg":"EdDSA","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

func TestRFC7515AppendixAAndRFC8037AppendixA4(t *testing.T) {
	set, err := parseKeySet(rfcKeys)
	if err != nil || len(set) != 3 {
		t.Fatalf("%d keys, %v", len(set), err)
	}
	keys := map[string]*preparedKey{}
	for _, k := range set {
		if keys[k.KID], err = prepare(k); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ kid, alg, token string }{{"A.2", "RS256", rs256}, {"A.3", "ES256", es256}, {"8037", "EdDSA", ed25519JWS}} {
		p, err := split(c.token)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.checkSignature(header{alg: c.alg}, keys[c.kid]); err != nil {
			t.Errorf("%s: the RFC's signature is refused: %v", c.kid, err)
		}
		for other, key := range keys {
			if other != c.kid && p.checkSignature(header{alg: c.alg}, key) == nil {
				t.Errorf("%s passes by the key %s", c.kid, other)
			}
		}
		signature := p.signature
		for i := range signature {
			p.signature = signature[:i] + next(signature[i]) + signature[i+1:]
			if p.checkSignature(header{alg: c.alg}, keys[c.kid]) == nil {
				t.Errorf("%s: a signature with another character at %d passes", c.kid, i)
			}
		}
		p.signature, p.signed = signature, strings.Replace(p.signed, ".", ".e", 1)
		if p.checkSignature(header{alg: c.alg}, keys[c.kid]) == nil {
			t.Errorf("%s: another payload passes", c.kid)
		}
	}
}

// next is another character of the alphabet.
func next(c byte) string {
	if c == 'A' {
		return "Q"
	}
	return "A"
}

func TestRFC7515AppendixAAndRFC7519Sections3And6AreNoAccessTokens(t *testing.T) {
	set, err := parseKeySet(rfcKeys)
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(Options{Issuer: "joe", Keys: StaticKeys(func() []Key { return set }), Clock: newClock().Now})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"A.1": hs256, "A.2": rs256, "A.3": es256, "A.4": es512, "A.5": unsecured, "8037 A.4": ed25519JWS} {
		var refused *Error
		if _, err := v.Verify(t.Context(), token); !errors.As(err, &refused) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
