package templates

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// claimOrder is the order in which a page shows claims: who, from whom, until
// when, how, what for; the rest follows as it stands in the token.
var claimOrder = []string{
	"alg", "typ", "kid",
	"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "scope", "roles", "client_id", "sid", "jti", "gen", "cgen",
}

// timeClaims are NumericDate values (RFC 7519, section 2).
var timeClaims = []string{"exp", "iat", "nbf", "auth_time"}

// NewTokenView decodes an access token that we just made, for its page. It
// checks nothing: the token never came from outside.
func NewTokenView(l Layout, token, appURL string) (TokenView, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return TokenView{}, errors.New("templates: the token is no JWT in three parts")
	}
	v := TokenView{Layout: l, Header: parts[0], Payload: parts[1], Signature: parts[2], AppURL: appURL}
	var err error
	if v.HeaderClaims, err = decodePart(parts[0]); err != nil {
		return TokenView{}, err
	}
	if v.Claims, err = decodePart(parts[1]); err != nil {
		return TokenView{}, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return TokenView{}, fmt.Errorf("templates: the signature: %w", err)
	}
	v.SignatureBytes = len(signature)
	v.KeyID = valueOf(v.HeaderClaims, "kid").Value
	v.IssuedAt, v.ExpiresAt = valueOf(v.Claims, "iat").At, valueOf(v.Claims, "exp").At
	return v, nil
}

func valueOf(claims []Claim, name string) Claim {
	i := slices.IndexFunc(claims, func(c Claim) bool { return c.Name == name })
	if i < 0 {
		return Claim{}
	}
	return claims[i]
}

// decodePart reads one part in the order of its members, then sorts them.
func decodePart(part string) ([]Claim, error) {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, fmt.Errorf("templates: a part of the token: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("templates: a part of the token: %w", err)
	}
	var claims []Claim
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		claims = append(claims, newClaim(fmt.Sprint(name), value))
	}
	slices.SortStableFunc(claims, func(a, b Claim) int { return rank(a.Name) - rank(b.Name) })
	return claims, nil
}

func rank(name string) int {
	if i := slices.Index(claimOrder, name); i >= 0 {
		return i
	}
	return len(claimOrder)
}

// newClaim writes a value as a person reads it: a list with commas, a text
// without quotes, everything else as it stands.
func newClaim(name string, value json.RawMessage) Claim {
	c := Claim{Name: name, Value: string(value)}
	var text string
	var list []string
	var seconds int64
	switch {
	case json.Unmarshal(value, &text) == nil:
		c.Value = text
	case json.Unmarshal(value, &list) == nil && len(list) > 0:
		c.Value = strings.Join(list, ", ")
	case slices.Contains(timeClaims, name) && json.Unmarshal(value, &seconds) == nil:
		c.At = time.Unix(seconds, 0).UTC()
	}
	return c
}

// Ended reports whether the token is past its end.
func (v TokenView) Ended() bool { return !v.Now.Before(v.ExpiresAt) }

// Life is how long the token works in all.
func (v TokenView) Life() time.Duration { return v.ExpiresAt.Sub(v.IssuedAt) }

// Percent is how much of its life is left.
func (v TokenView) Percent() int {
	if v.Life() <= 0 {
		return 0
	}
	return int(100 * min(max(0, v.ExpiresAt.Sub(v.Now)), v.Life()) / v.Life())
}

// Seconds are what is left, for the bar that runs down.
func (v TokenView) Seconds() int { return int(max(0, v.ExpiresAt.Sub(v.Now)) / time.Second) }

// claimRow is a claim with what the partial needs to explain it.
type claimRow struct {
	Claim
	Key string // of what it means
	Now time.Time
}

func (v TokenView) rows(kind string, claims []Claim) []claimRow {
	list := make([]claimRow, len(claims))
	for i, c := range claims {
		list[i] = claimRow{c, kind + "." + c.Name, v.Now}
		if c.Name == "alg" {
			list[i].Key = "alg." + c.Value
		}
	}
	return list
}

// HeaderRows are the members of the header.
func (v TokenView) HeaderRows() []claimRow { return v.rows("header", v.HeaderClaims) }

// ClaimRows are the members of the payload.
func (v TokenView) ClaimRows() []claimRow { return v.rows("claim", v.Claims) }

// Current is the group that is shown in full, nil for the list of all.
func (v DocsView) Current() *DocsGroup {
	for i := range v.Groups {
		if v.Groups[i].Slug == v.Group {
			return &v.Groups[i]
		}
	}
	return nil
}
