package tokens

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/keys"
	"gatehouse/models"
)

// accessType is the "typ" of an access token (RFC 9068, section 2.1). It keeps
// every other JWT of ours, signed by whatever key, from passing as one.
const accessType = "at+jwt"

// signWithin is the longest pause between fixing a token's times and handing
// it out. A process that stood still for longer may have missed an ending that
// its token should have respected, so the token is thrown away.
const signWithin = 5 * time.Second

// errStale is the answer when signing came too late; the retry gives the same
// refresh successor, so nothing is lost.
var errStale = errors.New("tokens: more than 5 s between fixing the times of a token and signing it")

// ErrNoSession is the answer for a session that is unknown or has ended.
var ErrNoSession = apperr.New(apperr.Unauthenticated, "session_ended")

// FirstPartyScope is what our own logins may do: what the pages can do too.
func FirstPartyScope() []string { return []string{"account"} }

// Grant is what an access token says about its bearer. Subject must come from
// one statement that read roles and epochs together, and Admit must have
// judged it: a token with the new epoch may only ever carry the new roles.
type Grant struct {
	Subject   Subject
	SessionID models.ID
	ClientID  string   // "" is FirstParty
	Scope     []string // empty is FirstPartyScope for FirstParty
	AuthTime  time.Time
	ACR       string
	AMR       []string
	// NotAfter caps the life of the token at the absolute end of its session;
	// the zero time caps nothing.
	NotAfter time.Time
	// signer is the key that was current before Subject was read; without one
	// it is the key at Prepare. A token that was read before a database that
	// went back in time was noticed carries a key of before, which is refused.
	signer keys.Signer
}

// AccessToken is a signed access JWT.
type AccessToken struct {
	Token     secrets.Raw
	ID        models.ID
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// accessClaims are the claims of the contract (RFC 9068, section 2.2).
type accessClaims struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"`
	Subject   string   `json:"sub"`
	ClientID  string   `json:"client_id"`
	SessionID string   `json:"sid"`
	ID        string   `json:"jti"`
	IssuedAt  int64    `json:"iat"`
	ExpiresAt int64    `json:"exp"`
	AuthTime  int64    `json:"auth_time"`
	ACR       string   `json:"acr"`
	AMR       []string `json:"amr"`
	Scope     string   `json:"scope"`
	Roles     []string `json:"roles"`
	// Generation and ClientGeneration are the epochs that "end all of this
	// user" and "end all of this client" count up.
	Generation       int64 `json:"gen"`
	ClientGeneration int64 `json:"cgen"`
}

// Access makes access tokens.
type Access struct {
	deps Deps
}

func newAccess(d Deps) *Access { return &Access{d} }

// Pending is an access token whose times are fixed and whose signature is
// missing. It is made before the transaction that entitles to it and signed
// after the commit, because nothing slow happens inside a transaction.
type Pending struct {
	access     *Access
	preparedAt time.Time
	claims     accessClaims
	id         models.ID
	signer     keys.Signer
}

// Prepare fixes iat, exp and jti. It never fails, so that it can stand right
// before the conditional UPDATE of its caller.
func (a *Access) Prepare(g Grant) Pending {
	now := a.deps.Clock().UTC()
	issued := now.Truncate(time.Second)
	expires := issued.Add(a.deps.Config.AccessTTL)
	if !g.NotAfter.IsZero() && expires.After(g.NotAfter) {
		expires = g.NotAfter
	}
	id := models.NewID()
	claims := a.claims(g)
	claims.ID, claims.IssuedAt, claims.ExpiresAt = id.String(), issued.Unix(), expires.Unix()
	if g.signer.Key == nil {
		g.signer = a.deps.Keys.Signer()
	}
	return Pending{access: a, preparedAt: now, claims: claims, id: id, signer: g.signer}
}

func (a *Access) claims(g Grant) accessClaims {
	if g.ClientID == "" {
		g.ClientID = FirstParty
	}
	if len(g.Scope) == 0 && g.ClientID == FirstParty {
		g.Scope = FirstPartyScope()
	}
	if g.AMR == nil {
		g.AMR = []string{}
	}
	return accessClaims{
		Issuer:           a.deps.Config.Issuer,
		Audience:         a.deps.Config.Audience,
		Subject:          g.Subject.ID.String(),
		ClientID:         g.ClientID,
		SessionID:        g.SessionID.String(),
		AuthTime:         g.AuthTime.Unix(),
		ACR:              g.ACR,
		AMR:              g.AMR,
		Scope:            string(models.JoinWords(g.Scope)),
		Roles:            g.Subject.Roles.List(),
		Generation:       g.Subject.TokenEpoch,
		ClientGeneration: g.Subject.ClientEpoch,
	}
}

// Sign signs the token after the commit. The age is looked at last, so that a
// pause while signing counts as well; a clock that was set back counts like one
// that ran ahead.
func (p Pending) Sign() (AccessToken, error) {
	raw, err := signJWT(p.signer, accessType, p.claims)
	if err != nil {
		return AccessToken{}, apperr.NotNow(signWithin, err)
	}
	if age := p.access.deps.Clock().Sub(p.preparedAt); age > signWithin || age < -signWithin {
		return AccessToken{}, apperr.NotNow(time.Second, errStale)
	}
	return AccessToken{
		Token:     raw,
		ID:        p.id,
		IssuedAt:  time.Unix(p.claims.IssuedAt, 0).UTC(),
		ExpiresAt: time.Unix(p.claims.ExpiresAt, 0).UTC(),
	}, nil
}

// signJWT writes the compact form (RFC 7515, section 7.1). The algorithm comes
// from the ring alone.
func signJWT(signer keys.Signer, typ string, claims any) (secrets.Raw, error) {
	method := jwt.GetSigningMethod(signer.Alg)
	if method == nil || signer.Key == nil {
		return secrets.Raw{}, errors.New("tokens: the ring has no signing key for " + typ)
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		KID string `json:"kid"`
		Typ string `json:"typ"`
	}{signer.Alg, signer.KID, typ})
	if err != nil {
		return secrets.Raw{}, err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return secrets.Raw{}, err
	}
	return signCompact(method, signer.Key, header, payload)
}

func signCompact(method jwt.SigningMethod, key any, header, payload []byte) (secrets.Raw, error) {
	b64 := base64.RawURLEncoding
	out := b64.AppendEncode(nil, header)
	out = append(out, '.')
	out = b64.AppendEncode(out, payload)
	signature, err := method.Sign(string(out), key)
	if err != nil {
		return secrets.Raw{}, err
	}
	out = append(out, '.')
	return secrets.NewRaw(b64.AppendEncode(out, signature)), nil
}

// ForSession makes an access token for a live session, of a browser or of a
// program. Session, roles and epochs are read in one statement; a token that
// raced with an ending on another node carries the old epoch or the dead
// session and is refused wherever it arrives.
func (a *Access) ForSession(ctx context.Context, sessionID models.ID) (AccessToken, error) {
	pending, _, err := a.forSession(ctx, sessionID)
	if err != nil {
		return AccessToken{}, err
	}
	return pending.Sign()
}

// Show is ForSession for the page that shows a person their token: it leaves
// an audit row behind, because from here on a copy is in somebody's hands.
func (a *Access) Show(ctx context.Context, sessionID models.ID, by Client) (AccessToken, error) {
	pending, row, err := a.forSession(ctx, sessionID)
	if err != nil {
		return AccessToken{}, err
	}
	if err := a.deps.Audit.Record(ctx, by.event(audit.TokenShown, row.UserID, sessionID)); err != nil {
		return AccessToken{}, err
	}
	return pending.Sign()
}

func (a *Access) forSession(ctx context.Context, id models.ID) (Pending, *sessionRow, error) {
	signer := a.deps.Keys.Signer()
	row, err := a.liveByID(ctx, id)
	if err != nil {
		return Pending{}, nil, err
	}
	grant := row.grant()
	grant.signer = signer
	return a.Prepare(grant), row, nil
}

func (a *Access) liveByID(ctx context.Context, id models.ID) (*sessionRow, error) {
	if id.IsZero() {
		return nil, ErrNoSession
	}
	row, err := findSession(ctx, a.deps.DB, "s.id = ?", id)
	if err != nil {
		return nil, err
	}
	if row == nil || row.UserID.IsZero() || !row.live(a.deps.Clock()) {
		return nil, ErrNoSession
	}
	return row, judge(ctx, a.deps.Admit, row.subject())
}
