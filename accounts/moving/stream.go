package moving

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

var errBufferFull = bufio.ErrBufferFull

// stream yields the objects of a JSON file one by one, however they are kept:
// as an array, one after the other, or as an array inside an object. It never
// holds more than one of them.
type stream struct {
	in     *input
	d      *json.Decoder
	row    int64
	array  bool
	inside bool // within the array of an object
}

// newStream goes to the first element. In an object it looks for the array
// named key; key "" takes an object as an element.
func newStream(in *input, key string) (*stream, error) {
	s := &stream{in: in, d: json.NewDecoder(in.r)}
	switch {
	case in.first == '[':
		_, err := s.d.Token()
		s.array = true
		return s, err
	case in.first != '{':
		return nil, errors.New("the file is not JSON")
	case key == "":
		return s, nil
	}
	s.array, s.inside = true, true
	return s, s.seek(key)
}

// seek skips the values before the array. A realm's export has megabytes of
// settings around its users, but each of them is small.
func (s *stream) seek(key string) error {
	if _, err := s.d.Token(); err != nil {
		return err
	}
	depth := 0
	for {
		s.in.budget.fill()
		token, err := s.d.Token()
		if err != nil {
			return fmt.Errorf("the file has no list %q", key)
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			if depth == 0 && v == key {
				next, err := s.d.Token()
				if err == nil && next == json.Delim('[') {
					return nil
				}
				return fmt.Errorf("the file has no list %q", key)
			}
			if depth == 0 {
				if err := s.skipValue(); err != nil {
					return fmt.Errorf("the file has no list %q", key)
				}
			}
		}
	}
}

// skipValue reads over the value of a key, token by token.
func (s *stream) skipValue() error {
	depth := 0
	for {
		s.in.budget.fill()
		token, err := s.d.Token()
		if err != nil {
			return err
		}
		if v, ok := token.(json.Delim); ok {
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
		}
		if depth == 0 {
			return nil
		}
	}
}

// next decodes one element.
func (s *stream) next(to any) error {
	s.in.budget.fill()
	if s.array && !s.d.More() {
		// A list that simply stops was cut; one that was closed is complete.
		if token, err := s.d.Token(); err != nil || token != json.Delim(']') {
			return s.fatal(io.ErrUnexpectedEOF)
		}
		return io.EOF
	}
	var raw json.RawMessage
	if err := s.d.Decode(&raw); err != nil {
		if err == io.EOF && !s.array {
			return io.EOF
		}
		return s.fatal(err)
	}
	s.row++
	if !utf8.Valid(raw) {
		return &RowError{Row: s.row, Why: "it is not UTF-8"}
	}
	if err := noneTwice(raw, func(key string) string { return key }); err != nil {
		return &RowError{Row: s.row, Why: err.Error()}
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return &RowError{Row: s.row, Why: jsonWhy(err).Error()}
	}
	return nil
}

// fatal ends the reading: after a fault in the brackets nobody can tell where
// the next element begins.
func (s *stream) fatal(err error) error {
	if errors.Is(err, errTooLong) {
		return fmt.Errorf("row %d: %w", s.row+1, errTooLong)
	}
	return fmt.Errorf("row %d: %w", s.row+1, jsonWhy(err))
}
