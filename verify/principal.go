package verify

import (
	"context"
	"slices"
	"time"
)

// Principal is who asks, as the access token says. The verifier keeps it in
// its memory of verified tokens and hands the same one to every request with
// that token: read it, never change it.
type Principal struct {
	Subject   string // claim sub: the user id
	SessionID string // claim sid
	ClientID  string // claim client_id (RFC 8693, section 4.3)
	TokenID   string // claim jti
	KeyID     string // header kid
	ACR       string
	AMR       []string // RFC 8176
	Scope     []string
	Roles     []string
	Audience  []string
	AuthTime  time.Time // zero when the token does not say
	IssuedAt  time.Time
	ExpiresAt time.Time
	// Generation (gen) and ClientGeneration (cgen) are the epochs of user and
	// client; a token without one is older than any epoch that was raised.
	Generation          int64
	ClientGeneration    int64
	HasGeneration       bool
	HasClientGeneration bool
	// Personal says that the bearer showed a personal token and no access token:
	// it belongs to no session, and Scope is all that it may do.
	Personal bool
	// Sub, SID and JTI are the 16 bytes of Subject, SessionID and TokenID where
	// those are UUIDs, and zero where not: what a revocation list looks up.
	Sub, SID, JTI [16]byte
}

// HasScope reports whether the token carries every one of the scopes.
func (p *Principal) HasScope(scopes ...string) bool {
	for _, s := range scopes {
		if !slices.Contains(p.Scope, s) {
			return false
		}
	}
	return true
}

// HasRole reports whether the token carries at least one of the roles.
func (p *Principal) HasRole(roles ...string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(p.Roles, r) })
}

type contextKey struct{}

// NewContext returns a context that carries p.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns who asks. ok is false behind no Handler.
func FromContext(ctx context.Context) (p *Principal, ok bool) {
	p, ok = ctx.Value(contextKey{}).(*Principal)
	return p, ok
}
