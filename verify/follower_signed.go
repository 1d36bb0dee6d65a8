package verify

import (
	"context"
	"fmt"
)

// The kinds of what the feed key signs (RFC 8725, section 3.11): neither
// passes for the other, nor for an access token.
const (
	typeSnapshot  = "gh-snapshot+jwt"
	typeFreshness = "gh-freshness+jwt"
)

// head is the first line of a snapshot.
type head struct {
	issuer, cursor string
	log            [16]byte
	seq            uint64
	hash, sum      hash
	floor          uint64
	count          int64
}

// proof is what the feed says to one question of ours.
type proof struct {
	issuer, nonce string
	log           [16]byte
	head          uint64
	hash          hash
	floor         uint64
	age           int64 // of the view of the node that answers, in milliseconds
	issued        int64 // by the clock of the issuer
	sent, asOf    instant
}

// open checks a signature by the feed key and hands over the payload. Keys of
// access tokens are not in this set, so that who stole one cannot forge a
// snapshot that omits its own end.
func (f *follower) open(ctx context.Context, token, typ string) (*scanner, error) {
	if len(token) > maxToken {
		return nil, errGarbage
	}
	t, err := split(token)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(t.header)
	if err != nil {
		return nil, err
	}
	if !h.isType(typ) {
		return nil, ErrType
	}
	key, err := f.keys.resolve(ctx, h.kid)
	if err != nil {
		return nil, err
	}
	if err := t.checkSignature(h, key); err != nil {
		return nil, err
	}
	text, err := decode(t.payload)
	return &scanner{text: text}, err
}

func (f *follower) openHead(ctx context.Context, token string) (head, error) {
	var h head
	s, err := f.open(ctx, token, typeSnapshot)
	if err != nil {
		return h, err
	}
	seen, err := s.members(map[string]func() error{
		"iss": func() (err error) { h.issuer, err = s.string(); return }, "cursor": func() (err error) { h.cursor, err = s.string(); return },
		"log_id": func() (err error) { h.log, err = s.uuid(); return }, "seq": func() (err error) { h.seq, err = s.natural(); return },
		"head_hash": func() (err error) { h.hash, err = s.hash(); return }, "sha256": func() (err error) { h.sum, err = s.hash(); return },
		"floor": func() (err error) { h.floor, err = s.natural(); return }, "count": func() (err error) { h.count, err = s.integer(); return },
	})
	if err == nil && (seen != 8 || h.issuer != f.issuer || !goodCursor(h.cursor)) {
		err = errGarbage
	}
	return h, err
}

func (f *follower) openAnswer(ctx context.Context, token, nonce string) (proof, error) {
	var a proof
	s, err := f.open(ctx, token, typeFreshness)
	if err != nil {
		return a, err
	}
	seen, err := s.members(map[string]func() error{
		"iss": func() (err error) { a.issuer, err = s.string(); return }, "nonce": func() (err error) { a.nonce, err = s.string(); return },
		"log_id": func() (err error) { a.log, err = s.uuid(); return }, "head": func() (err error) { a.head, err = s.natural(); return },
		"head_hash": func() (err error) { a.hash, err = s.hash(); return }, "age_ms": func() (err error) { a.age, err = s.integer(); return },
		"floor": func() (err error) { a.floor, err = s.natural(); return }, "iat": func() (err error) { a.issued, err = s.date(); return },
	})
	switch {
	case err != nil:
		return a, err
	case seen != 8 || a.issuer != f.issuer || a.age > maxAgeMillis:
		return a, errGarbage
	case a.nonce != nonce:
		return a, fmt.Errorf("%w: it answers another question", errGarbage)
	}
	return a, nil
}

// maxAgeMillis keeps durations from running over; a view of a day is as old as
// one of a year.
const maxAgeMillis = 24 * 60 * 60 * 1000

// members reads an object, and says how many of the wanted names it has.
func (s *scanner) members(want map[string]func() error) (seen int, err error) {
	err = s.document(func(name string) error {
		if read := want[name]; read != nil {
			seen++
			return read()
		}
		return s.skip()
	})
	return seen, err
}

func (s *scanner) natural() (uint64, error) {
	n, err := s.integer()
	return uint64(n), err
}

func (s *scanner) uuid() ([16]byte, error) {
	text, err := s.string()
	if id := uuidBytes(text); err != nil || id != ([16]byte{}) {
		return id, err
	}
	return [16]byte{}, errGarbage
}

func (s *scanner) hash() (h hash, err error) {
	b, err := s.bytes()
	if err == nil && len(b) != len(h) {
		err = errGarbage
	}
	if err != nil {
		return h, err
	}
	return hash(b), nil
}

// bytes reads a string in canonical base64url.
func (s *scanner) bytes() ([]byte, error) {
	text, err := s.string()
	if err != nil {
		return nil, err
	}
	if !isBase64URL(text) {
		return nil, errGarbage
	}
	return encoding.DecodeString(text)
}

func (s *scanner) bool() (bool, error) {
	s.space()
	c := s.peek()
	if c != 't' && c != 'f' {
		return false, errKind
	}
	return c == 't', s.literal()
}

// maxCursor bounds what we send back with every question.
const maxCursor = 256

func goodCursor(c string) bool { return c != "" && len(c) <= maxCursor && isBase64URL(c) }
