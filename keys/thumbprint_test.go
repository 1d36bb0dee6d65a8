package keys

import (
	"crypto"
	"encoding/json"
	"io"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
)

// holder has a public key of others and signs nothing.
type holder struct{ public crypto.PublicKey }

func (h holder) Public() crypto.PublicKey { return h.public }

func (holder) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { panic("signs nothing") }

func TestRFC7638Section3Point1AndRFC8037AppendixA3(t *testing.T) {
	for kid, text := range map[string]string{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
	} {
		var given jose.JSONWebKey
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			t.Fatal(err)
		}
		ours, err := publicJWK(holder{given.Key}, given.Algorithm)
		if err != nil || ours.KeyID != kid {
			t.Errorf("the thumbprint is %q (%v), the RFC says %q", ours.KeyID, err, kid)
		}
	}
}
