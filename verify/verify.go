package verify

import (
	"context"
	"errors"
	"time"
)

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
