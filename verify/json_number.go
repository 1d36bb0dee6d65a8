package verify

import "strconv"

// number reads a number (RFC 8259, section 6) and returns it as written.
func (s *scanner) number() (text string, integer bool, err error) {
	s.space()
	start, integer := s.at, true
	if s.peek() == '-' {
		s.at++
	}
	first := s.peek()
	if n := s.digits(); n == 0 || first == '0' && n > 1 {
		return "", false, errJSON
	}
	if s.peek() == '.' {
		s.at++
		if integer = false; s.digits() == 0 {
			return "", false, errJSON
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if integer = false; s.digits() == 0 {
			return "", false, errJSON
		}
	}
	return s.text[start:s.at], integer, nil
}

func (s *scanner) digits() (n int) {
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
		n++
	}
	return n
}

// integer reads a whole number that is not negative, written without fraction
// and exponent. RFC 7519, section 2 allows a NumericDate to have them, but
// Gatehouse writes none, and a number that two readers round differently is
// two different tokens.
func (s *scanner) integer() (int64, error) {
	s.space()
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, errKind
	}
	text, whole, err := s.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if !whole || err != nil || text[0] == '-' {
		return 0, errKind
	}
	return n, nil
}
