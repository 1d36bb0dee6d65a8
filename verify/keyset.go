package verify

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/golang-jwt/jwt/v5"
)

// Key is a public key with the one algorithm that it is for: a signature by it
// under any other is refused (RFC 8725, section 3.1).
type Key struct {
	KID, Alg string
	Public   crypto.PublicKey
}

// KeySource answers which key a kid names. It returns ErrUnknownKey when there
// is none, and is asked on every request, so it must not be slow.
type KeySource interface {
	Key(ctx context.Context, kid string) (Key, error)
}

// Bounds of RSA keys in bits: below is too weak (RFC 7518, section 3.3), above
// a check costs more processor time than a stranger should be able to cause.
const minRSABits, maxRSABits = 2048, 8192

// preparedKey is a checked Key with its verification method. Its address is
// its identity: a verified token is remembered only as long as its kid still
// leads to the same address, so that a key taken out of the set takes all
// tokens under it along.
type preparedKey struct {
	Key
	method jwt.SigningMethod
}

// prepare refuses every key that is not exactly what its algorithm asks for:
// ES256 on P-256, EdDSA on Ed25519 (RFC 8037), RS256 with 2048 bits and more.
func prepare(k Key) (*preparedKey, error) {
	if k.KID == "" || len(k.KID) > maxKID {
		return nil, fmt.Errorf("verify: a kid has 1 to %d characters", maxKID)
	}
	fits := false
	var method jwt.SigningMethod
	switch pub := k.Public.(type) {
	case *ecdsa.PublicKey:
		fits, method = k.Alg == "ES256" && pub.Curve == elliptic.P256(), jwt.SigningMethodES256
	case ed25519.PublicKey:
		fits, method = k.Alg == "EdDSA" && len(pub) == ed25519.PublicKeySize, jwt.SigningMethodEdDSA
	case *rsa.PublicKey:
		fits, method = k.Alg == "RS256" && soundRSA(pub), jwt.SigningMethodRS256
	}
	if !fits {
		return nil, fmt.Errorf("verify: key %q (%T) is not a key for %q", k.KID, k.Public, k.Alg)
	}
	return &preparedKey{Key: k, method: method}, nil
}

func soundRSA(pub *rsa.PublicKey) bool {
	bits := pub.N.BitLen()
	return bits >= minRSABits && bits <= maxRSABits && pub.E >= 3 && pub.E&1 == 1
}

func (p *preparedKey) same(k Key) bool {
	if p.KID != k.KID || p.Alg != k.Alg {
		return false
	}
	pub, ok := p.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(k.Public)
}

// resolver is a KeySource whose answers keep their address.
type resolver interface {
	resolve(ctx context.Context, kid string) (*preparedKey, error)
}

// KeySet is a set of keys in memory, swapped as a whole. Look-ups never wait.
type KeySet struct {
	keys    atomic.Pointer[map[string]*preparedKey]
	missing atomic.Pointer[func(context.Context)]
	setting sync.Mutex
}

// NewKeySet makes an empty set.
func NewKeySet() *KeySet {
	s := &KeySet{}
	s.keys.Store(&map[string]*preparedKey{})
	return s
}

// Set replaces the set. Keys that do not fit their algorithm, and the second
// of two with one kid, are left out; the error names the first of them, and
// the rest of the set is in force.
func (s *KeySet) Set(keys []Key) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	old, next := *s.keys.Load(), make(map[string]*preparedKey, len(keys))
	var first error
	for _, k := range keys {
		p, err := prepare(k)
		if err == nil && next[k.KID] != nil {
			err = fmt.Errorf("verify: two keys are named %q", k.KID)
		}
		if err != nil {
			first = cmp.Or(first, err)
			continue
		}
		if was := old[k.KID]; was != nil && was.same(k) {
			p = was
		}
		next[k.KID] = p
	}
	s.keys.Store(&next)
	return first
}

// OnMissing sets what is called when a kid is asked for that is not in the
// set: it may call Set, and the set is then asked once more. Strangers choose
// the kid, so the function must bound by itself how often it really works.
func (s *KeySet) OnMissing(f func(ctx context.Context)) { s.missing.Store(&f) }

// Key implements KeySource.
func (s *KeySet) Key(ctx context.Context, kid string) (Key, error) {
	p, err := s.resolve(ctx, kid)
	if err != nil {
		return Key{}, err
	}
	return p.Key, nil
}

func (s *KeySet) resolve(ctx context.Context, kid string) (*preparedKey, error) {
	if p := (*s.keys.Load())[kid]; p != nil {
		return p, nil
	}
	if f := s.missing.Load(); f != nil {
		(*f)(ctx)
		if p := (*s.keys.Load())[kid]; p != nil {
			return p, nil
		}
	}
	return nil, ErrUnknownKey
}

func (s *KeySet) size() int { return len(*s.keys.Load()) }

// StaticKeys is a KeySource over a function that returns all keys. It is asked
// on every request; a KeySet is faster where the keys change seldom.
func StaticKeys(f func() []Key) KeySource { return staticKeys(f) }

type staticKeys func() []Key

// Key implements KeySource.
func (f staticKeys) Key(_ context.Context, kid string) (Key, error) {
	for _, k := range f() {
		if k.KID == kid {
			return k, nil
		}
	}
	return Key{}, ErrUnknownKey
}

// foreign gives the answers of somebody else's KeySource a lasting address. It
// remembers one preparedKey per kid that the source vouched for, and asks the
// source every time.
type foreign struct {
	source KeySource
	known  sync.Map // kid -> *preparedKey
}

func (f *foreign) resolve(ctx context.Context, kid string) (*preparedKey, error) {
	k, err := f.source.Key(ctx, kid)
	if err != nil {
		f.known.Delete(kid)
		return nil, asError(err)
	}
	if was, ok := f.known.Load(kid); ok && was.(*preparedKey).same(k) {
		return was.(*preparedKey), nil
	}
	p, err := prepare(k)
	if err != nil || p.KID != kid {
		return nil, ErrUnknownKey.because(err)
	}
	f.known.Store(kid, p)
	return p, nil
}
