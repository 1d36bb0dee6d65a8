package keys

import (
	"context"
	"crypto"
	"errors"
	"fmt"
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
	PurposeRefresh = "refresh" // MACs the tags of refresh tokens
)

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
	// keepAtLeast is how long a key stays published after it has stopped
	// signing, unless KeepFor asks for longer.
	keepAtLeast = 24 * time.Hour
	// keepMargin covers clocks that differ and answers on their way.
	keepMargin = 2 * time.Minute
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
	// RS256. Another value than that of the current key makes a new one; the
	// old one stays published until what it signed has expired.
	Alg string
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
	keep atomic.Int64 // nanoseconds that a retiring key stays published

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
	r := &Ring{o: o}
	r.view.Store(&view{})
	r.keep.Store(int64(keepAtLeast))
	if err := r.complete(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Signer returns the key that signs access tokens now.
func (r *Ring) Signer() Signer { return r.view.Load().signer }

// Public returns the access keys whose signatures are accepted. The caller
// must not change the slice.
func (r *Ring) Public() []PublicKey { return r.view.Load().public }

// JWKS returns the published key set and its entity tag, both held ready.
func (r *Ring) JWKS() (body []byte, etag string) {
	v := r.view.Load()
	return v.jwks, v.etag
}

// MACKey returns the secret of a purpose, nil when there is none. The caller
// must not change it.
func (r *Ring) MACKey(purpose string) []byte { return r.view.Load().macs[purpose] }

// KeepFor makes keys stay published for at least life after they have stopped
// signing: the longest life of a token that may still be out, also from before
// a setting was lowered. It never shortens.
func (r *Ring) KeepFor(life time.Duration) {
	for {
		now := r.keep.Load()
		if int64(life) <= now || r.keep.CompareAndSwap(now, int64(life)) {
			return
		}
	}
}

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
