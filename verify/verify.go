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
	// Fresh is asked last on every check, after Revocations: false refuses with
	// ErrStale, because what has ended meanwhile may be missing there. nil means
	// that Revocations always knows. It must be safe for concurrent use.
	Fresh func() bool
	// Clock tells the time. Default: time.Now and, with a Service, the clock of
	// the issuer wherever the two are more than a minute apart.
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

	// Service is the credential that `gatehouse service add NAME` printed. With
	// it the Verifier follows what has ended: a token ends here within a second
	// of its session, and not only when it expires. Without it, the following
	// options mean nothing.
	Service string
	// IntrospectionURL is where the Service asks about personal tokens (RFC
	// 7662). Default: Issuer + "/oauth/introspect". It must be https unless it is
	// loopback.
	IntrospectionURL string
	// FeedURL is where the feed of endings is. Default: Issuer +
	// "/api/v1/revocations". It must be https unless it is loopback.
	FeedURL string
	// Bound is how old the view of what has ended may be: beyond it every token
	// is refused with ErrStale (503). A stop of the issuer longer than this
	// stops the service too. Default: 30 seconds; at least 1. See Within.
	Bound time.Duration
	// Accept lets tokens in beyond the Bound as well, once there has been a
	// view: their answers carry X-Token-View-Age, and Stats counts them.
	Accept bool
	// MaxFeedBytes bounds a snapshot, and with it how much is held in memory: a
	// session takes 25 bytes of it. Default: 64 MB, 2.7 million sessions.
	MaxFeedBytes int64

	// Personal tells what personal tokens are good for, in the issuer's own
	// server. When nil and Service is given, the issuer is asked; without
	// either, personal tokens are refused with ErrPersonalOff.
	Personal PersonalSource

	durations func() (mono, wall time.Duration) // of tests: a clock that stands still or jumps
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
	fresh                 func() bool
	clock                 func() time.Time
	cache                 *cache
	remote                *remote
	follower              *follower
	personal              *personals // nil refuses personal tokens
	now                   func() instant
	bound                 time.Duration
	accept                bool
}

// New makes a Verifier. With a JWKSURL it starts to fetch the keys in the
// background, with a Service to follow the feed; Close ends both.
func New(o Options) (*Verifier, error) {
	if o.Issuer == "" {
		return nil, errors.New("verify: Options.Issuer is required: the APP_URL of the Gatehouse whose tokens are accepted")
	}
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	v := &Verifier{
		issuer: o.Issuer, audience: o.Audience, typ: o.Type, maxLifetime: int64(o.MaxLifetime / time.Second),
		revocations: o.Revocations, fresh: o.Fresh, cache: newCache(o.CacheSize, o.CacheBytes),
		now: o.instants(), bound: o.Bound, accept: o.Accept,
	}
	ownClock := o.Clock == nil
	if ownClock {
		o.Clock = time.Now
	}
	v.clock = o.Clock
	if err := v.setKeys(o); err != nil {
		return nil, err
	}
	if o.Personal == nil && o.Service != "" {
		o.Personal = newIntrospector(o)
	}
	if o.Personal != nil {
		v.personal = newPersonals(o.Personal, v.now)
	}
	if o.Service != "" {
		var err error
		if v.follower, err = newFollower(o, v.now); err != nil {
			v.Close()
			return nil, err
		}
		if ownClock {
			v.now = v.follower.judging(v.now)
			v.clock = func() time.Time { return time.Unix(v.now().unix, 0) }
		}
	}
	return v, nil
}

func (v *Verifier) setKeys(o Options) (err error) {
	switch keys := o.Keys.(type) {
	case nil:
		v.remote, err = newRemote(o, o.JWKSURL, maxFresh)
		v.keys = v.remote
	case resolver:
		v.keys = keys
	default:
		v.keys = &foreign{source: keys}
	}
	return err
}

func (o Options) check() error {
	if o.Keys == nil {
		if err := checkURL("JWKSURL", o.JWKSURL); err != nil {
			return err
		}
	}
	if o.Service == "" {
		return nil
	}
	if o.Bound < time.Second || o.Bound > 24*time.Hour {
		return errors.New("verify: Options.Bound must be between a second and a day")
	}
	return errors.Join(checkURL("FeedURL", o.FeedURL), checkURL("IntrospectionURL", o.IntrospectionURL))
}

func (o Options) withDefaults() Options {
	if o.Audience == "" {
		o.Audience = o.Issuer
	}
	if o.JWKSURL == "" {
		o.JWKSURL = strings.TrimSuffix(o.Issuer, "/") + "/.well-known/jwks.json"
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
	return o.withFeedDefaults()
}

func (o Options) withFeedDefaults() Options {
	if o.FeedURL == "" {
		o.FeedURL = strings.TrimSuffix(o.Issuer, "/") + "/api/v1/revocations"
	}
	if o.IntrospectionURL == "" {
		o.IntrospectionURL = strings.TrimSuffix(o.Issuer, "/") + "/oauth/introspect"
	}
	if o.Bound == 0 {
		o.Bound = defaultBound
	}
	if o.MaxFeedBytes <= 0 {
		o.MaxFeedBytes = defaultFeedBytes
	}
	return o
}

// Close stops the background work. Tokens can still be checked with the keys
// that are there; one that followed the feed refuses everything from now on,
// and then says good-bye, so that no receipt waits for it.
func (v *Verifier) Close() {
	if v.follower != nil {
		v.follower.close()
	}
	if v.remote != nil {
		v.remote.close()
	}
}

// Verify answers who the token speaks for, or an *Error. A token that was
// verified before is answered from memory after its expiry, its key and its
// revocation have been looked at again.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	p, _, err := v.verify(ctx, token)
	return p, err
}

// verify is Verify. The age is not zero when the view is beyond the bound and
// the token was accepted all the same.
func (v *Verifier) verify(ctx context.Context, token string) (*Principal, time.Duration, error) {
	if len(token) > maxToken {
		return nil, 0, ErrTooLong
	}
	if IsPersonal(token) {
		return v.verifyPersonal(ctx, token)
	}
	if e := v.cache.get(token); e != nil {
		key, err := v.keys.resolve(ctx, e.key.KID)
		if err == nil && key == e.key || v.now().unix >= e.expires {
			return v.admit(e.principal, e.expires)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	p, key, err := v.check(ctx, token)
	if err != nil {
		return nil, 0, err
	}
	admitted, age, err := v.admit(p, p.ExpiresAt.Unix())
	if !errors.Is(err, ErrRevoked) {
		v.cache.put(token, p, key, v.clock().Unix())
	}
	return admitted, age, err
}

// admit has the last word on a token whose signature and claims are good. The
// view is taken first, then looked in, and the time is read last: the answer
// is never newer than the view it comes from.
func (v *Verifier) admit(p *Principal, expires int64) (*Principal, time.Duration, error) {
	var seen *view
	if v.follower != nil {
		seen = v.follower.seen.Load()
	}
	ended := seen != nil && seen.revoked(p) || v.revocations != nil && v.revocations.Revoked(p)
	now := v.now()
	switch {
	case now.unix >= expires:
		return nil, 0, ErrExpired
	case ended:
		return nil, 0, ErrRevoked
	case v.fresh != nil && !v.fresh():
		return nil, 0, ErrStale
	case seen == nil:
		return p, 0, nil
	}
	age, err := v.judgeAge(seen, now)
	if err != nil {
		return nil, 0, err
	}
	return p, age, nil
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
