package mail

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Sizes of RFC 5321, sections 4.5.3.1.1 to 4.5.3.1.3.
const (
	maxAddress = 254
	maxLocal   = 64
)

var errAddress = errors.New("mail: not a plain address")

// domains maps a domain to ASCII as for a look-up (RFC 5891, section 5), with
// the lengths of DNS, so that no label is empty.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// envelope checks that s is one plain addr-spec and returns it as the SMTP
// server gets it, with an ASCII domain (RFC 5890). Display names, lists,
// comments, quoted strings and address literals are refused: each is a way to
// reach somebody else than was meant, and nobody needs them to register.
func envelope(s string) (string, error) {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > maxAddress || !goodLocal(local) {
		return "", errAddress
	}
	ascii, err := domains.ToASCII(domain)
	if err != nil || strings.HasSuffix(ascii, ".") || len(local)+1+len(ascii) > maxAddress {
		return "", errAddress
	}
	return local + "@" + ascii, nil
}

// goodLocal accepts a dot-atom (RFC 5322, section 3.2.3), with letters of all
// scripts (RFC 6531, section 3.3).
func goodLocal(s string) bool {
	if s == "" || len(s) > maxLocal || !utf8.ValidString(s) {
		return false
	}
	if s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		ascii := r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
		return ascii || !unicode.IsPrint(r)
	})
}

// oneLine makes a value safe for a header (CWE-93): what is not printable
// becomes a space.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}
