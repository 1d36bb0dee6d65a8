package middleware

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"gatehouse/internal/apperr"
)

// maxDepth is how deep a JSON body may be nested. Ours are flat; the room
// above that is for what a later body may need.
const maxDepth = 8

// DecodeJSON reads the body of r into dst, a pointer to a struct whose fields
// carry json tags. It refuses what encoding/json lets pass and two programs
// may read differently (RFC 8259, section 4; ASVS 5.0, V4.1 and V2.2): another
// content type, duplicate keys, unknown keys, keys in another case, null for a
// plain field, NUL, invalid UTF-8, lone surrogates, a second document and
// anything too deep or too long.
func DecodeJSON(r *http.Request, dst any) error {
	if err := jsonContent(r.Header); err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	return unmarshalStrict(body, dst)
}

// DecodeOptionalJSON is DecodeJSON for calls that also work without a body.
func DecodeOptionalJSON(r *http.Request, dst any) error {
	if r.ContentLength == 0 && r.Header.Get("Content-Type") == "" {
		return nil
	}
	return DecodeJSON(r, dst)
}

func malformed(reason string) error { return apperr.New(apperr.Malformed, reason) }

// jsonContent wants application/json, with no charset but UTF-8. A browser
// cannot send that type to another site without asking first, so that this is
// also part of the defence against forged requests (ASVS 5.0, V3.5.2).
func jsonContent(h http.Header) error {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || kind != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return apperr.New(apperr.MediaType, "json_only")
	}
	return plainEncoding(h)
}

// plainEncoding refuses compressed bodies: a few bytes could become gigabytes.
func plainEncoding(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return apperr.New(apperr.MediaType, "encoding_refused")
	}
	return nil
}

// readBody reads all of the body, which BodyLimit has capped.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		return body, nil
	}
	if capped, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(capped.Limit)
	}
	return nil, apperr.Wrap(apperr.Malformed, "body_unreadable", err)
}

func unmarshalStrict(body []byte, dst any) error {
	if !utf8.Valid(body) {
		return malformed("not_utf8")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return malformed("json_empty")
	}
	scan := scanner{dec: json.NewDecoder(bytes.NewReader(body)), known: jsonNames(dst)}
	scan.dec.UseNumber()
	if err := scan.document(); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(dst); err != nil {
		return scan.known.wrongType(err)
	}
	return nil
}

// scanner walks the tokens of a document once, before it is decoded.
type scanner struct {
	dec   *json.Decoder
	known names
}

func (s *scanner) document() error {
	first, err := s.dec.Token()
	if err != nil {
		return s.syntax(err)
	}
	if first != json.Delim('{') {
		return malformed("json_object")
	}
	if err := s.object(1); err != nil {
		return err
	}
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return malformed("json_trailing")
	}
	return nil
}

// syntax says where the JSON ended that could be read.
func (s *scanner) syntax(err error) error {
	return apperr.Wrap(apperr.Malformed, "json_syntax", err).WithParam("Byte", s.dec.InputOffset())
}

func (s *scanner) object(depth int) error {
	seen := map[string]bool{}
	for s.dec.More() {
		key, err := s.text()
		if err != nil {
			return err
		}
		if seen[key] {
			return blame("json_duplicate", key, apperr.Field{Reason: "json_twice"})
		}
		seen[key] = true
		if depth == 1 && s.known.types[key] == nil {
			return s.known.unknown(key)
		}
		if err := s.value(depth, key); err != nil {
			return err
		}
	}
	return s.close()
}

func (s *scanner) array(depth int) error {
	for s.dec.More() {
		if err := s.value(depth, ""); err != nil {
			return err
		}
	}
	return s.close()
}

func (s *scanner) close() error {
	if _, err := s.dec.Token(); err != nil {
		return s.syntax(err)
	}
	return nil
}

// value reads what stands behind key, or an element of an array. Only what is
// deeper than our own names may be null anywhere.
func (s *scanner) value(depth int, key string) error {
	t, err := s.dec.Token()
	switch {
	case err != nil:
		return s.syntax(err)
	case depth >= maxDepth:
		return apperr.New(apperr.Malformed, "json_depth").WithParam("Depth", maxDepth)
	case t == nil && depth == 1 && !s.known.nullable(key):
		return blame("json_type", key, s.known.wanted(key))
	case t == json.Delim('{'):
		return s.object(depth + 1)
	case t == json.Delim('['):
		return s.array(depth + 1)
	}
	return cleanToken(t)
}

func (s *scanner) text() (string, error) {
	t, err := s.dec.Token()
	if err != nil {
		return "", s.syntax(err)
	}
	key, _ := t.(string)
	return key, cleanToken(t)
}

// cleanToken refuses NUL, which libraries below cut at, and U+FFFD, which is
// what encoding/json makes of a lone surrogate: two inputs would become one.
func cleanToken(t json.Token) error {
	if s, ok := t.(string); ok && strings.ContainsAny(s, "\x00\uFFFD") {
		return malformed("not_utf8")
	}
	return nil
}
