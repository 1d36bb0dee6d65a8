package passwords

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/internal/apperr"
)

// MaxBytes is the longest password accepted. It is far beyond the 64
// characters that NIST SP 800-63B-4, section 3.1.1.2, asks for, and nothing is
// ever cut.
const MaxBytes = 1024

// The reasons of Check; the locale keys are "field.<reason>".
const (
	tooShort   = "too_short"
	tooLong    = "too_long"
	common     = "common"
	sameAsName = "same_as_name"
	unusable   = "unusable"
)

// prepare returns the bytes that are hashed: the password in Unicode form NFC,
// so that "é" is one password however a keyboard sends it. reason tells why it
// can't be used: too long, or bytes that other systems cut at or change.
func prepare(password string) (prepared []byte, reason string) {
	if len(password) > MaxBytes {
		return nil, tooLong
	}
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return nil, unusable
	}
	return norm.NFC.Bytes([]byte(password)), ""
}

// Check says why a new password is refused, or nil. context holds what a thief
// would try first for this person: name, username, address; the words of this
// site are added. There is no rule about kinds of characters (NIST SP 800-63B-4, section 3.1.1.2).
func (h *Hasher) Check(password string, context ...string) *apperr.Field {
	prepared, reason := prepare(password)
	if reason == tooLong {
		return &apperr.Field{Reason: tooLong, Params: map[string]any{"Max": MaxBytes}}
	}
	if reason != "" {
		return &apperr.Field{Reason: reason}
	}
	if n := utf8.RuneCount(prepared); n < h.minLength {
		return &apperr.Field{Reason: tooShort, Params: map[string]any{"Min": h.minLength, "Missing": h.minLength - n}}
	}
	if isContext(string(prepared), append(slices.Clip(h.words), context...)) {
		return &apperr.Field{Reason: sameAsName}
	}
	if isCommon(string(prepared)) || h.isBreached(password) {
		return &apperr.Field{Reason: common}
	}
	return nil
}

// isBreached asks the operator's list. A list that cannot be read refuses
// nobody: it makes good passwords better, and is no reason to let nobody change
// a bad one. The fault is counted and logged.
func (h *Hasher) isBreached(password string) bool {
	if h.breached == nil {
		return false
	}
	found, err := h.breached.Has(password)
	if err != nil {
		h.fault(err)
	}
	return found
}
