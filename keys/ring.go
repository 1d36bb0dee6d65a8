package keys

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// The purposes of keys. A key of one is never used for another.
const (
	PurposeAccess  = "access"  // signs access tokens
	PurposeFeed    = "feed"    // signs what followers of the revocation log read
	PurposeData    = "data"    // signs what people download about themselves
	PurposeRefresh = "refresh" // MACs the tags of refresh tokens
	PurposeCursor  = "cursor"  // MACs the places in the revocation log that followers hold
)

// signing are the purposes that have a pair, and what each signs with; "" is
// SIGNING_ALG. A purpose more is one line here.
var signing = []struct{ name, alg string }{
	{PurposeAccess, ""},
	// Only our own programs read the feed, so it needs no choice: Ed25519
	// signs fastest and has the shortest signatures (RFC 8032).
	{PurposeFeed, EdDSA},
	// Whoever gets such a file checks it with a common tool, and openssl takes
	// a raw Ed25519 signature as it is.
	{PurposeData, EdDSA},
}

// macs are the purposes that have a secret.
var macs = []string{PurposeRefresh, PurposeCursor}

// The algorithms of access keys (RFC 7518, section 3.1; RFC 8037, section 3.1).
const (
	ES256 = "ES256"
	EdDSA = "EdDSA"
	RS256 = "RS256"
)

// The states of a key.
const (
	StateNext     = "next"
	StateCurrent  = "current"
	StateRetiring = "retiring"
	StateRevoked  = "revoked"
)

const (
	// keepUnknown is the longest life that a token can be given (the largest
	// ACCESS_TOKEN_TTL): what counts until KeepFor says what is true here.
	keepUnknown = 24 * time.Hour
	// keepMargin covers clocks that differ and answers on their way.
	keepMargin = 2 * time.Minute
	// keepData is how long what people downloaded can still be checked at least.
	keepData = 90 * 24 * time.Hour
	// askAgainAfter bounds what a stranger who invents key ids can cost.
	askAgainAfter = time.Second
)

// ErrSecretKey means that the keys in the database were sealed with another
// SECRET_KEY, or their rows were changed.
var ErrSecretKey = errors.New("SECRET_KEY does not open the keys in this database: start with the SECRET_KEY that it was set up with (nothing was changed)")

// Options are what a Ring needs.
type Options struct {
	DB    *database.DB
	Box   *secrets.Box
	Audit *audit.Log
	Clock func() time.Time
	// Alg is what access tokens are signed with: ES256 (the default), EdDSA or
	// RS256. An algorithm that the ring has never used is that of the next key,
	// which signs as soon as everybody can know it; one that it has left comes
	// back by Rotate only.
	Alg string
	// RotateEvery is how long a key signs; 0 is 720 h.
	RotateEvery time.Duration
	Log         *slog.Logger // nil is silence
}

// Check tells whether SECRET_KEY opens every key of the database, and changes
// nothing.
func Check(ctx context.Context, o Options) error {
	r := &Ring{o: o}
	r.view.Store(newView())
	r.keep.Store(int64(keepUnknown))
	return r.Reload(ctx)
}

// Signer is the private key that signs now.
type Signer struct {
	KID, Alg string
	Key      crypto.Signer
}

// PublicKey is a key by which signatures can be checked.
type PublicKey struct {
	KID, Alg, Purpose string
	Key               crypto.PublicKey
}

// Ring holds the keys in memory. It is safe for concurrent use.
type Ring struct {
	o    Options
	view atomic.Pointer[view]
	keep atomic.Int64 // nanoseconds that the longest token lives

	// Until carefulUntil a key is published for careful before it signs.
	careful      time.Duration
	carefulUntil time.Time

	loading  sync.Mutex // one load at a time, so that a later one is never undone
	watchers []func()

	asking sync.Mutex
	asked  time.Time
}

// Open loads the ring, and makes the keys that are missing: on the first start
// of a cluster exactly one of the nodes that start together makes them.
func Open(ctx context.Context, o Options) (*Ring, error) {
	if o.Alg == "" {
		o.Alg = ES256
	}
	if !slices.Contains([]string{ES256, EdDSA, RS256}, o.Alg) {
		return nil, fmt.Errorf("SIGNING_ALG: %q is not one of ES256, EdDSA and RS256", o.Alg)
	}
	if o.RotateEvery == 0 {
		o.RotateEvery = defaultEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Ring{o: o}
	r.view.Store(newView())
	r.keep.Store(int64(keepUnknown))
	if err := r.complete(ctx); err != nil {
		return nil, err
	}
	if line := r.ignored(); line != "" {
		o.Log.Warn(line)
	}
	return r, nil
}

// complete loads the ring and makes what is missing.
func (r *Ring) complete(ctx context.Context) error {
	return r.settle(ctx, func(v *view) ([]step, error) {
		r.remember(v)
		return r.plan(v, never)
	})
}

// Signer returns the key that signs access tokens now. Key is nil while there
// is none.
func (r *Ring) Signer() Signer { return r.SignerFor(PurposeAccess) }

// SignerFor returns the key that signs for a purpose now. Key is nil while
// there is none.
func (r *Ring) SignerFor(purpose string) Signer { return r.view.Load().signers[purpose] }

// Public returns the access keys whose signatures are accepted. The caller
// must not change the slice.
func (r *Ring) Public() []PublicKey { return r.PublicFor(PurposeAccess) }

// PublicFor returns the keys whose signatures are accepted for a purpose, the
// one that signs now first. The caller must not change the slice.
func (r *Ring) PublicFor(purpose string) []PublicKey { return r.view.Load().public[purpose] }

// JWKS returns the published set of access keys and its entity tag, both held
// ready.
func (r *Ring) JWKS() (body []byte, etag string) { return r.JWKSFor(PurposeAccess) }

// JWKSFor returns the key set of a purpose and its entity tag. The sets are
// apart, so that a key of one purpose is never taken for a key of another.
func (r *Ring) JWKSFor(purpose string) (body []byte, etag string) {
	set := r.view.Load().sets[purpose]
	return set.body, set.etag
}

// Used lists the access keys that have signed: the current one, and those that
// did before it and are published still.
func (r *Ring) Used() []string {
	var kids []string
	for kid, key := range r.view.Load().opened {
		if key.row.Purpose == PurposeAccess && (key.row.State == StateCurrent || key.row.State == StateRetiring) {
			kids = append(kids, kid)
		}
	}
	slices.Sort(kids)
	return kids
}

// MACKey returns the secret of a purpose, nil when there is none. The caller
// must not change it.
func (r *Ring) MACKey(purpose string) []byte { return r.view.Load().macs[purpose] }

// KeepFor tells the longest life of a token that may still be out, also from
// before a setting was lowered and from nodes with another one. Keys stay
// published for as long after they have stopped signing, and a little longer.
// It counts from the next Reload.
func (r *Ring) KeepFor(life time.Duration) { r.keep.Store(int64(life)) }

// OnChange has f called after every change of what Public, Signer, JWKS or
// MACKey answer.
func (r *Ring) OnChange(f func()) {
	r.loading.Lock()
	defer r.loading.Unlock()
	r.watchers = append(r.watchers, f)
}

// Reload notices what other processes have changed. On an error the ring stays
// as it was.
func (r *Ring) Reload(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	old := r.view.Load()
	next, err := r.load(ctx, old)
	if err != nil || next.same(old) {
		return err
	}
	r.view.Store(next)
	for _, f := range r.watchers {
		f()
	}
	return nil
}

// Missing is for whoever met a key id that is not in Public: another node may
// have made the key a moment ago. It reloads at most once a second, whoever
// asks how often, and callers in between wait for the reload under way.
func (r *Ring) Missing(ctx context.Context) {
	r.asking.Lock()
	defer r.asking.Unlock()
	now := r.o.Clock()
	if since := now.Sub(r.asked); since >= 0 && since < askAgainAfter {
		return
	}
	r.asked = now
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	// An error leaves the key unknown: the token is refused, as it would be.
	_ = r.Reload(ctx)
}

// List returns every key of the ring, the newest first, without the sealed
// private halves.
func (r *Ring) List(ctx context.Context) ([]models.SigningKey, error) {
	var rows []models.SigningKey
	err := r.o.DB.Read(ctx).
		Select("kid", "purpose", "alg", "state", "public", "created_at", "signs_from", "retired_at", "revoked_at").
		Order("created_at DESC, kid").Find(&rows).Error
	return rows, database.Unavailable(err)
}
