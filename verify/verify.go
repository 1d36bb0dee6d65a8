package verify

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Options say which tokens a Verifier accepts. Issuer is required; the rest
// has defaults that fit a Gatehouse.
type Options struct {
	// Issuer is the value that iss must have, byte for byte: APP_URL.
	Issuer string
	// Audience must be one of aud. Default: the Issuer.
	Audience string
	// Keys are the keys in memory. When nil, they are read from JWKSURL.
	Keys KeySource
	// JWKSURL is where the key set is published. Default: Issuer +
	// "/.well-known/jwks.json". It must be https unless it is loopback.
	JWKSURL string
	// Revocations is asked on every check. nil means none.
	Revocations Revocations
	// Clock tells the time. Default: time.Now.
	Clock func() time.Time
	// MaxLifetime is the longest exp - iat that is accepted, which bounds what
	// the thief of a signing key can write. Default: 24 hours.
	MaxLifetime time.Duration
	// CacheSize is how many verified tokens are remembered, and CacheBytes how
	// many bytes they may take. Defaults: 8192 and 16 MB. A negative CacheSize
	// remembers none.
	CacheSize  int
	CacheBytes int64
	// HTTPClient gives its Transport to fetch JWKSURL; time limit, redirects
	// and size are bounded by the Verifier.
	HTTPClient *http.Client
	// Type is what the header typ must say. Default: "at+jwt" (RFC 9068).
	Type string
}

// Revocations answers from memory whether what p came from has been ended. It
// is asked on every check, cached ones included, and must be safe for
// concurrent use.
type Revocations interface {
	Revoked(p *Principal) bool
}

const (
	leeway          = 60 * time.Second // on iat and nbf, for clocks that differ; exp has none
	defaultLifetime = 24 * time.Hour
	defaultEntries  = 8192
	defaultBytes    = 16 << 20
)

// Verifier checks access tokens. It is safe for concurrent use.
type Verifier struct {
	issuer, audience, typ string
	maxLifetime           int64
	keys                  resolver
	revocations           Revocations
	clock                 func() time.Time
	cache                 *cache
	remote                *remote
}

// New makes a Verifier. With a JWKSURL it starts to fetch the keys in the
// background; Close ends that.
func New(o Options) (*Verifier, error) {
	if o.Issuer == "" {
		return nil, errors.New("verify: Options.Issuer is required: the APP_URL of the Gatehouse whose tokens are accepted")
	}
	o = o.withDefaults()
	v := &Verifier{
		issuer: o.Issuer, audience: o.Audience, typ: o.Type, maxLifetime: int64(o.MaxLifetime / time.Second),
		revocations: o.Revocations, clock: o.Clock, cache: newCache(o.CacheSize, o.CacheBytes),
	}
	switch keys := o.Keys.(type) {
	case nil:
		r, err := newRemote(o)
		if err != nil {
			return nil, err
		}
		v.remote, v.keys = r, r
	case resolver:
		v.keys = keys
	default:
		v.keys = &foreign{source: keys}
	}
	return v, nil
}

func (o Options) withDefaults() Options {
	if o.Audience == "" {
		o.Audience = o.Issuer
	}
	if o.JWKSURL == "" {
		o.JWKSURL = strings.TrimSuffix(o.Issuer, "/") + "/.well-known/jwks.json"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxLifetime <= 0 {
		o.MaxLifetime = defaultLifetime
	}
	if o.CacheSize == 0 {
		o.CacheSize = defaultEntries
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultBytes
	}
	if o.Type == "" {
		o.Type = "at+jwt"
	}
	return o
}

// Close stops the background work of a Verifier with a JWKSURL. Tokens can
// still be checked with the keys it has.
func (v *Verifier) Close() {
	if v.remote != nil {
		v.remote.close()
	}
}

// Verify answers who the token speaks for, or an *Error. A token that was
// verified before is answered from memory after its expiry, its key and its
// revocation have been looked at again.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	if len(token) > maxToken {
		return nil, ErrTooLong
	}
	if p, err := v.remembered(ctx, token); p != nil || err != nil {
		return p, err
	}
	p, key, err := v.check(ctx, token)
	if err != nil {
		return nil, err
	}
	if v.revoked(p) {
		return nil, ErrRevoked
	}
	v.cache.put(token, p, key, v.clock().Unix())
	return p, nil
}

// remembered answers for a token that was verified before; nil, nil when it
// was not, or when its key is no longer the same.
func (v *Verifier) remembered(ctx context.Context, token string) (*Principal, error) {
	e := v.cache.get(token)
	if e == nil {
		return nil, nil
	}
	if v.clock().Unix() >= e.expires {
		return nil, ErrExpired
	}
	if key, err := v.keys.resolve(ctx, e.key.KID); err != nil || key != e.key {
		return nil, err
	}
	if v.revoked(e.principal) {
		return nil, ErrRevoked
	}
	return e.principal, nil
}

func (v *Verifier) revoked(p *Principal) bool {
	return v.revocations != nil && v.revocations.Revoked(p)
}

// check does the whole work for a token seen for the first time. Nothing in
// the payload is looked at before the signature holds.
func (v *Verifier) check(ctx context.Context, token string) (*Principal, *preparedKey, error) {
	t, err := split(token)
	if err != nil {
		return nil, nil, err
	}
	h, err := parseHeader(t.header)
	if err != nil {
		return nil, nil, err
	}
	if !h.isType(v.typ) {
		return nil, nil, ErrType
	}
	key, err := v.keys.resolve(ctx, h.kid)
	if err != nil {
		return nil, nil, err
	}
	if err := t.checkSignature(h, key); err != nil {
		return nil, nil, err
	}
	c, err := parseClaims(t.payload)
	if err != nil {
		return nil, nil, err
	}
	if err := v.judge(c); err != nil {
		return nil, nil, err
	}
	return c.principal(key.KID), key, nil
}
