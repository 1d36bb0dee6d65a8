// Package apperr is the one error that rooms return and handlers pass on: what
// kind of failure, a stable word for the reason, which fields, when to try
// again, and a cause that stays in the log. It knows no status code, no
// sentence and no language; middleware/errors.go turns it into an answer.
package apperr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind is the class of a failure; it decides the status code.
type Kind uint8

// The kinds, with the status that middleware gives each.
const (
	Internal        Kind = iota // 500: ours; the visitor learns nothing but the request id
	Malformed                   // 400: the request cannot be read
	Invalid                     // 422: readable, but a field is wrong
	Unauthenticated             // 401: no proof of who is asking, or a wrong one
	Forbidden                   // 403: known, but not allowed
	NotFound                    // 404: not there, or not yours
	Method                      // 405: the path exists, not with this method
	Conflict                    // 409: somebody else was first
	Expired                     // 410: it was there and has ended
	TooLarge                    // 413: more bytes than allowed
	MediaType                   // 415: another content type is wanted
	Misdirected                 // 421: not a host of ours (RFC 9110, section 15.5.20)
	Throttled                   // 429: too many; RetryAfter says when
	Unavailable                 // 503: not now; RetryAfter says when
)

// Field says what is wrong with one field of the input.
type Field struct {
	Reason string         // stable word; the locale key is "field.<reason>"
	Params map[string]any // values for the sentence, such as {"Min": 8}
}

// Error is an application error. Make it with New or Wrap.
type Error struct {
	Kind Kind
	// Reason is a stable word such as "invalid_credentials". It is the locale
	// key "error.<reason>", the "reason" of the audit event and, for the codes
	// of the contract, the "error" of the JSON answer.
	Reason string
	// Params are values for the sentence of the reason.
	Params map[string]any
	// Fields are the wrong fields by the name of the form field or JSON key.
	Fields map[string]Field
	// RetryAfter says how long to wait before trying again; 0 is "not told".
	RetryAfter time.Duration
	cause      error
}

// New makes an error of a kind with a reason.
func New(kind Kind, reason string) *Error { return &Error{Kind: kind, Reason: reason} }

// Wrap keeps the cause for the log; it is never shown.
func Wrap(kind Kind, reason string, cause error) *Error {
	return &Error{Kind: kind, Reason: reason, cause: cause}
}

// InvalidField is the usual refusal of one field: 422 "validation_failed".
func InvalidField(field, reason string) *Error {
	return New(Invalid, "validation_failed").WithField(field, Field{Reason: reason})
}

// Throttle says to come back after wait.
func Throttle(reason string, wait time.Duration) *Error {
	return &Error{Kind: Throttled, Reason: reason, RetryAfter: wait}
}

// NotNow says that a part we depend on does not answer.
func NotNow(wait time.Duration, cause error) *Error {
	return &Error{Kind: Unavailable, Reason: "unavailable", RetryAfter: wait, cause: cause}
}

// WithField returns a copy that also blames field.
func (e *Error) WithField(name string, f Field) *Error {
	c := *e
	c.Fields = maps.Clone(e.Fields)
	if c.Fields == nil {
		c.Fields = map[string]Field{}
	}
	c.Fields[name] = f
	return &c
}

// WithParam returns a copy whose sentence knows one more value.
func (e *Error) WithParam(name string, value any) *Error {
	c := *e
	c.Params = maps.Clone(e.Params)
	if c.Params == nil {
		c.Params = map[string]any{}
	}
	c.Params[name] = value
	return &c
}

// Error implements error. It is for logs, never for people.
func (e *Error) Error() string {
	s := e.Reason
	if len(e.Fields) > 0 {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
			parts = append(parts, name+"="+e.Fields[name].Reason)
		}
		s += " (" + strings.Join(parts, ", ") + ")"
	}
	if e.cause != nil {
		return fmt.Sprintf("%s: %v", s, e.cause)
	}
	return s
}

// Unwrap returns the hidden cause.
func (e *Error) Unwrap() error { return e.cause }

// Is reports equality of kind and reason, so that errors.Is(err, ErrX) works
// for copies that carry fields.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Reason == e.Reason
}

// From finds the application error in err, or makes an internal one of it.
// From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(Internal, "internal", err)
}

// Reason is the stable word of err, "" for nil.
func Reason(err error) string {
	if e := From(err); e != nil {
		return e.Reason
	}
	return ""
}
