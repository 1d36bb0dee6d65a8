package verify

import (
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
