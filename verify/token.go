package verify

import (
	"encoding/base64"
	"strings"
)

// Sizes above which nothing is computed over what a stranger sent.
const (
	maxToken  = 8 << 10
	maxHeader = 1 << 10
	maxKID    = 128
)

// parts are the three segments of a compact JWS (RFC 7515, section 3.1).
type parts struct {
	signed    string // header "." payload, the bytes under the signature
	header    string
	payload   string
	signature string
}

// encoding refuses non-zero trailing bits, so that no token has two spellings
// (RFC 4648, section 3.5). The alphabet is checked by split, because Go's
// decoder skips line feeds even when it is strict.
var encoding = base64.RawURLEncoding.Strict()

// split cuts a token into exactly three segments in the base64url alphabet
// without padding (RFC 7515, section 2).
func split(token string) (parts, error) {
	a := strings.IndexByte(token, '.')
	if a <= 0 || a > maxHeader {
		return parts{}, ErrMalformed
	}
	n := strings.IndexByte(token[a+1:], '.')
	if n <= 0 || a+n+2 >= len(token) {
		return parts{}, ErrMalformed
	}
	b := a + 1 + n
	t := parts{signed: token[:b], header: token[:a], payload: token[a+1 : b], signature: token[b+1:]}
	if !isBase64URL(t.header) || !isBase64URL(t.payload) || !isBase64URL(t.signature) {
		return parts{}, ErrMalformed
	}
	return t, nil
}

func isBase64URL(s string) bool {
	for i := range len(s) {
		if !inAlphabet[s[i]] {
			return false
		}
	}
	return true
}

var inAlphabet = func() (table [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		table[c] = true
	}
	return table
}()

// decode returns the bytes of a segment as a string, of which the claims are
// then substrings.
func decode(segment string) (string, error) {
	raw, err := encoding.DecodeString(segment)
	if err != nil {
		return "", ErrMalformed
	}
	return string(raw), nil
}

// checkSignature verifies with the algorithm of the key; what the header says
// must agree with it and never chooses (RFC 8725, sections 3.1 and 3.2).
func (t parts) checkSignature(h header, key *preparedKey) error {
	if h.alg != key.Alg {
		return ErrAlgorithm
	}
	signature, err := encoding.DecodeString(t.signature)
	if err != nil {
		return ErrMalformed
	}
	if key.method.Verify(t.signed, signature, key.Public) != nil {
		return ErrSignature
	}
	return nil
}

// header holds the only names that a header may have here. Everything else is
// refused: crit (RFC 7515, section 4.1.11), and jku, jwk, x5u and x5c, by
// which a token would bring its own key (RFC 8725, section 3.10).
type header struct {
	alg, typ, kid string
}

func parseHeader(segment string) (header, error) {
	text, err := decode(segment)
	if err != nil {
		return header{}, err
	}
	var h header
	s := scanner{text: text}
	err = s.document(func(name string) (err error) {
		switch name {
		case "alg":
			h.alg, err = s.string()
		case "typ":
			h.typ, err = s.string()
		case "kid":
			h.kid, err = s.string()
		default:
			err = ErrHeader
		}
		return err
	})
	if err != nil {
		return header{}, ErrHeader.because(err)
	}
	if h.kid == "" || len(h.kid) > maxKID {
		return header{}, ErrUnknownKey
	}
	return h, nil
}

// isType compares as RFC 7515, section 4.1.9 says: a media type in any case,
// whose "application/" may be left out. RFC 9068, section 4 and RFC 8725,
// section 3.11: no other kind of JWT passes for an access token.
func (h header) isType(want string) bool {
	const prefix = "application/"
	got := h.typ
	if len(got) > len(prefix) && strings.EqualFold(got[:len(prefix)], prefix) {
		got = got[len(prefix):]
	}
	return strings.EqualFold(got, want)
}
