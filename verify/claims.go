package verify

import (
	"slices"
	"strings"
	"time"
)

// maxDate is 9999-12-31T23:59:59Z: a later NumericDate is nonsense, and
// bounding it keeps every sum below from running over.
const maxDate = 253402300799

// claims are what is read from a payload (RFC 9068, section 2.2). Names that
// are not listed are read over.
type claims struct {
	issuer, subject, session, client, id, acr, scope string

	audience, roles, amr        []string
	expires, issued, notBefore  int64
	authTime, gen, cgen         int64
	hasExpires, hasIssued       bool
	hasAuthTime, hasGen, hasCgn bool
}

func parseClaims(segment string) (*claims, error) {
	text, err := decode(segment)
	if err != nil {
		return nil, err
	}
	c, s := &claims{}, &scanner{text: text}
	if err := s.document(func(name string) error { return c.read(s, name) }); err != nil {
		return nil, ErrClaims.because(err)
	}
	return c, nil
}

// read reads the value of one claim. Each has exactly one type; null is no
// value of any.
func (c *claims) read(s *scanner, name string) (err error) {
	switch name {
	case "iss":
		c.issuer, err = s.string()
	case "sub":
		c.subject, err = s.string()
	case "sid":
		c.session, err = s.string()
	case "client_id":
		c.client, err = s.string()
	case "jti":
		c.id, err = s.string()
	case "acr":
		c.acr, err = s.string()
	case "scope":
		c.scope, err = s.string()
	case "aud":
		c.audience, err = s.stringOrStrings()
	case "roles":
		c.roles, err = s.strings()
	case "amr":
		c.amr, err = s.strings()
	default:
		return c.readNumber(s, name)
	}
	return err
}

func (c *claims) readNumber(s *scanner, name string) (err error) {
	switch name {
	case "exp":
		c.expires, err = s.date()
		c.hasExpires = true
	case "iat":
		c.issued, err = s.date()
		c.hasIssued = true
	case "nbf":
		c.notBefore, err = s.date()
	case "auth_time":
		c.authTime, err = s.date()
		c.hasAuthTime = true
	case "gen":
		c.gen, err = s.integer()
		c.hasGen = true
	case "cgen":
		c.cgen, err = s.integer()
		c.hasCgn = true
	default:
		err = s.skip()
	}
	return err
}

// date reads a NumericDate (RFC 7519, section 2).
func (s *scanner) date() (int64, error) {
	n, err := s.integer()
	if err == nil && n > maxDate {
		err = errKind
	}
	return n, err
}

// stringOrStrings reads aud, which has two forms (RFC 7519, section 4.1.3).
func (s *scanner) stringOrStrings() ([]string, error) {
	if s.space(); s.peek() == '[' {
		return s.strings()
	}
	one, err := s.string()
	return []string{one}, err
}

func (s *scanner) strings() ([]string, error) {
	list := make([]string, 0, 4)
	err := s.array(func() error {
		one, err := s.string()
		list = append(list, one)
		return err
	})
	// Clipped, so that an append by whoever reads a Principal makes a copy.
	return slices.Clip(list), err
}

// judge holds the claims against what this Verifier accepts.
func (v *Verifier) judge(c *claims) error {
	// RFC 9068, section 2.2: all of these are required.
	if c.subject == "" || c.session == "" || c.client == "" || c.id == "" || !c.hasExpires || !c.hasIssued {
		return ErrClaims
	}
	// RFC 7519, section 4.1.1 and RFC 8725, section 3.8.
	if c.issuer != v.issuer {
		return ErrIssuer
	}
	// RFC 7519, section 4.1.3 and RFC 8725, section 3.9.
	if !slices.Contains(c.audience, v.audience) {
		return ErrAudience
	}
	return v.judgeTimes(c, v.clock().Unix())
}

func (v *Verifier) judgeTimes(c *claims, now int64) error {
	const skew = int64(leeway / time.Second)
	switch {
	// RFC 7519, section 4.1.4: on or after exp it must not be accepted.
	case now >= c.expires:
		return ErrExpired
	// RFC 7519, section 4.1.5, and the same for iat: a token from the future
	// comes from a clock that cannot be trusted, or from a forger.
	case c.notBefore > now+skew, c.issued > now+skew:
		return ErrNotYet
	// Whoever steals a signing key writes any exp; this bounds it.
	case c.expires-c.issued > v.maxLifetime, c.expires <= c.issued:
		return ErrLifetime
	}
	return nil
}

func (c *claims) principal(kid string) *Principal {
	p := &Principal{
		Subject: c.subject, SessionID: c.session, ClientID: c.client, TokenID: c.id, KeyID: kid,
		ACR: c.acr, AMR: c.amr, Scope: strings.Fields(c.scope), Roles: c.roles, Audience: c.audience,
		IssuedAt: time.Unix(c.issued, 0).UTC(), ExpiresAt: time.Unix(c.expires, 0).UTC(),
		Generation: c.gen, HasGeneration: c.hasGen,
		ClientGeneration: c.cgen, HasClientGeneration: c.hasCgn,
		Sub: uuidBytes(c.subject), SID: uuidBytes(c.session), JTI: uuidBytes(c.id),
	}
	if c.hasAuthTime {
		p.AuthTime = time.Unix(c.authTime, 0).UTC()
	}
	return p
}

// uuidBytes reads the canonical form of a UUID (RFC 9562, section 4) in lower
// case; everything else is the zero value, which no revocation names.
func uuidBytes(s string) (id [16]byte) {
	if len(s) != 36 {
		return id
	}
	var b [16]byte
	for i, at := range uuidAt {
		high, low := nibble(s[at]), nibble(s[at+1])
		if high > 15 || low > 15 {
			return id
		}
		b[i] = high<<4 | low
	}
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id
	}
	return b
}

var uuidAt = [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
