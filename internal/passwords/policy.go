package passwords

import (
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
// would try first for this person: name, username, address. There is no rule
// about kinds of characters (NIST SP 800-63B-4, section 3.1.1.2).
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
	if sameAs(string(prepared), context) {
		return &apperr.Field{Reason: sameAsName}
	}
	if isCommon(string(prepared)) {
		return &apperr.Field{Reason: common}
	}
	return nil
}

// sameAs reports whether the password is one of the values or the local part
// of one that is an address, whatever the case and the punctuation.
func sameAs(password string, values []string) bool {
	bare := letters(password)
	if bare == "" {
		return false
	}
	for _, v := range values {
		local, _, _ := strings.Cut(v, "@")
		if bare == letters(v) || bare == letters(local) {
			return true
		}
	}
	return false
}

// letters folds s to its letters and digits in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFC.String(s))
}
