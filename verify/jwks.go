package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"slices"
)

// maxKeys bounds what one set may hold.
const maxKeys = 128

// jwk is what is read of a JSON Web Key (RFC 7517, section 4).
type jwk struct {
	kty, kid, alg, use, crv string
	x, y, n, e              string
	ops                     []string
	hasOps, private         bool
}

// parseKeySet reads a JWK Set (RFC 7517, section 5) and returns the keys that
// access tokens can be checked with. Section 5 asks to ignore keys that one
// cannot use, so odd, weak and foreign ones are left out; a document that is
// not strict JSON is refused as a whole.
func parseKeySet(text string) ([]Key, error) {
	s := &scanner{text: text}
	var all []jwk
	err := s.document(func(name string) error {
		if name != "keys" {
			return s.skip()
		}
		return s.array(func() error {
			if len(all) == maxKeys {
				return errDepth
			}
			k, err := s.jwk()
			all = append(all, k)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	var keys []Key
	seen := map[string]bool{}
	for _, k := range all {
		if seen[k.kid] {
			continue // the first of two decides, as in KeySet.Set
		}
		seen[k.kid] = true
		if key, ok := k.key(); ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (s *scanner) jwk() (k jwk, err error) {
	fields := map[string]*string{"kty": &k.kty, "kid": &k.kid, "alg": &k.alg, "use": &k.use,
		"crv": &k.crv, "x": &k.x, "y": &k.y, "n": &k.n, "e": &k.e}
	err = s.object(func(name string) (err error) {
		field := fields[name]
		switch s.space(); {
		case field != nil && s.peek() == '"':
			*field, err = s.string()
		case name == "key_ops" && s.peek() == '[':
			k.hasOps = true
			k.ops, err = s.texts()
		case name == "d", name == "k":
			k.private = true
			err = s.skip()
		default:
			err = s.skip()
		}
		return err
	})
	return k, err
}

// texts reads an array and keeps its strings.
func (s *scanner) texts() (list []string, err error) {
	err = s.array(func() error {
		if s.space(); s.peek() != '"' {
			return s.skip()
		}
		one, err := s.string()
		list = append(list, one)
		return err
	})
	return list, err
}

// key makes a Key of a JWK that is meant for checking signatures (sections 4.2
// and 4.3), names itself, and fits one of our algorithms. A published private
// key is no longer anybody's in particular.
func (k jwk) key() (Key, bool) {
	if k.private || k.use != "" && k.use != "sig" || k.hasOps && !slices.Contains(k.ops, "verify") {
		return Key{}, false
	}
	key := Key{KID: k.kid}
	switch {
	case k.kty == "EC" && k.crv == "P-256":
		key.Alg, key.Public = "ES256", k.ecdsa()
	case k.kty == "OKP" && k.crv == "Ed25519":
		key.Alg, key.Public = "EdDSA", k.ed25519()
	case k.kty == "RSA":
		key.Alg, key.Public = "RS256", k.rsa()
	}
	if key.Public == nil || k.alg != "" && k.alg != key.Alg {
		return Key{}, false
	}
	_, err := prepare(key)
	return key, err == nil
}

// ecdsa reads a point (RFC 7518, section 6.2.1), which must be on the curve.
func (k jwk) ecdsa() crypto.PublicKey {
	x, y := k.bytes(k.x), k.bytes(k.y)
	if len(x) != 32 || len(y) != 32 {
		return nil
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil
	}
	return pub
}

// ed25519 reads a public key (RFC 8037, section 2).
func (k jwk) ed25519() crypto.PublicKey {
	x := k.bytes(k.x)
	if len(x) != ed25519.PublicKeySize {
		return nil
	}
	return ed25519.PublicKey(x)
}

// rsa reads modulus and exponent (RFC 7518, section 6.3.1).
func (k jwk) rsa() crypto.PublicKey {
	n, e := k.bytes(k.n), k.bytes(k.e)
	if len(n) == 0 || len(n) > maxRSABits/8 || len(e) == 0 || len(e) > 4 || n[0] == 0 {
		return nil
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	if exponent > 1<<31-1 || n[len(n)-1]&1 == 0 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}
}

// bytes decodes base64url, nil when it is not canonical.
func (jwk) bytes(text string) []byte {
	if !isBase64URL(text) {
		return nil
	}
	b, err := encoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}
