package verify

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of the JSON in a token or a key set. Gatehouse writes two levels and
// a dozen names.
const (
	maxDepth   = 8
	maxMembers = 64
)

var (
	errJSON      = errors.New("not strict JSON")
	errDuplicate = errors.New("a name appears twice in one object")
	errDepth     = errors.New("nested too deeply or too many members")
	errKind      = errors.New("a value has another type than expected")
)

// scanner reads JSON once, from left to right, as RFC 8259 writes it and
// I-JSON narrows it (RFC 7493: no name twice, valid UTF-8, no lone
// surrogates). encoding/json would let the last of two equal names win and
// match names in any case, so that two readers could see two different tokens.
//
// Strings without escapes are substrings of the text: reading allocates next
// to nothing.
type scanner struct {
	text  string
	at    int
	depth int
}

// document reads one object and nothing after it.
func (s *scanner) document(member func(name string) error) error {
	if err := s.object(member); err != nil {
		return err
	}
	if s.space(); s.at != len(s.text) {
		return errJSON
	}
	return nil
}

// object calls member for each name; member reads the value.
func (s *scanner) object(member func(name string) error) error {
	if !s.open('{') {
		return errKind
	}
	if s.depth > maxDepth {
		return errDepth
	}
	var seen [maxMembers]string
	for n := 0; ; n++ {
		if done, err := s.next(n, '}'); done || err != nil {
			return err
		}
		name, err := s.string()
		if err != nil {
			return err
		}
		if n == maxMembers {
			return errDepth
		}
		for _, earlier := range seen[:n] {
			if earlier == name {
				return errDuplicate
			}
		}
		seen[n] = name
		if !s.take(':') {
			return errJSON
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// array calls element for each element; element reads the value.
func (s *scanner) array(element func() error) error {
	if !s.open('[') {
		return errKind
	}
	if s.depth > maxDepth {
		return errDepth
	}
	for n := 0; ; n++ {
		if done, err := s.next(n, ']'); done || err != nil {
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
}

func (s *scanner) open(c byte) bool {
	if !s.take(c) {
		return false
	}
	s.depth++
	return true
}

// next stands before element n: it reads the end of the list, or the comma.
func (s *scanner) next(n int, end byte) (done bool, err error) {
	if s.take(end) {
		s.depth--
		return true, nil
	}
	if n > 0 && !s.take(',') {
		return false, errJSON
	}
	return false, nil
}

// take skips white space and reads c if it is next.
func (s *scanner) take(c byte) bool {
	if s.space(); s.peek() != c {
		return false
	}
	s.at++
	return true
}

// peek returns the next byte, 0 at the end; 0 is never a part of valid JSON.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// string reads a string (RFC 8259, section 7).
func (s *scanner) string() (string, error) {
	if !s.take('"') {
		return "", errKind
	}
	start := s.at
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start : s.at-1], nil
		case c == '\\' || c >= utf8.RuneSelf:
			return s.slowString(start)
		case c < ' ':
			return "", errJSON
		}
	}
	return "", errJSON
}

// slowString continues a string at its first escape or non-ASCII character.
func (s *scanner) slowString(start int) (string, error) {
	var b strings.Builder
	b.WriteString(s.text[start:s.at])
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch {
		case c == '"':
			s.at++
			return b.String(), nil
		case c < ' ':
			return "", errJSON
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		default:
			r, n := utf8.DecodeRuneInString(s.text[s.at:])
			if r == utf8.RuneError && n == 1 {
				return "", errJSON
			}
			b.WriteString(s.text[s.at : s.at+n])
			s.at += n
		}
	}
	return "", errJSON
}

// escape reads one escape sequence, a surrogate pair as one.
func (s *scanner) escape() (rune, error) {
	s.at++
	c := s.peek()
	s.at++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 && c != 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, errJSON
	}
	r, err := s.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !strings.HasPrefix(s.text[s.at:], `\u`) {
		return 0, errJSON
	}
	s.at += 2
	low, err := s.hex4()
	if pair := utf16.DecodeRune(r, low); err == nil && pair != utf8.RuneError {
		return pair, nil
	}
	return 0, errJSON
}

func (s *scanner) hex4() (rune, error) {
	if len(s.text)-s.at < 4 {
		return 0, errJSON
	}
	n := rune(0)
	for _, c := range []byte(s.text[s.at : s.at+4]) {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | rune(c-'A'+10)
		default:
			return 0, errJSON
		}
	}
	s.at += 4
	return n, nil
}

// skip reads over a value of any kind, as strictly as every other.
func (s *scanner) skip() error {
	s.space()
	switch c := s.peek(); c {
	case '{':
		return s.object(func(string) error { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, err := s.string()
		return err
	case 't', 'f', 'n':
		return s.literal()
	default:
		_, _, err := s.number()
		return err
	}
}

func (s *scanner) literal() error {
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s.text[s.at:], word) {
			s.at += len(word)
			return nil
		}
	}
	return errJSON
}
