package accounts

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"gatehouse/internal/apperr"
)

// Canonical forms are computed here, in Go, and stored in byte-exact unique
// columns, so that SQLite and MySQL decide alike. No collation of any database
// is asked whether two names are equal: MariaDB's usual ones hold á=a, ß=s,
// ı=i, "x "="x" and any two emoji equal.

const (
	maxUsernameRunes = 64
	maxEmailBytes    = 254 // RFC 5321, section 4.5.3.1.3: 256 with the angle brackets
	maxLocalBytes    = 64  // RFC 5321, section 4.5.3.1.1
	maxNameRunes     = 128
)

// CanonicalUsername checks a username and returns it as typed (without the
// ASCII spaces around it, which no one means) and as a key.
//
// The key is PRECIS UsernameCaseMapped (RFC 8265, section 3.3): full-width
// forms become usual ones, capitals become small, the rest is NFC. What has a
// compatibility form besides its width (ligatures, superscripts) is refused by
// the profile itself, so no NFKC is needed and none is applied. Symbols,
// emoji and spaces are refused by it as well; letters with accents, ß and the
// dotless i are letters of their own. Joiners, which the profile allows in
// some Indic contexts, are refused because nobody can see them.
//
// A new name is of one script (see oneScript); names that were taken before
// that rule still sign in, because CanonicalLogin does not ask.
func CanonicalUsername(s string) (typed string, key []byte, wrong *apperr.Field) {
	typed, key, wrong = usernameForm(s)
	if wrong == nil && !oneScript(string(key)) {
		return "", nil, field("mixed_scripts")
	}
	return typed, key, wrong
}

func usernameForm(s string) (typed string, key []byte, wrong *apperr.Field) {
	s = strings.Trim(s, " ")
	switch {
	case s == "":
		return "", nil, field("required")
	case !printable(s):
		return "", nil, field("unusable")
	case utf8.RuneCountInString(s) > maxUsernameRunes:
		return "", nil, tooLong(maxUsernameRunes)
	}
	canonical, ok := caseMapped(s)
	switch {
	case strings.ContainsAny(s, "@＠"):
		// A
		// username never looks like an address, so that a login is one or the other.
		return "", nil, field("at_sign")
	case !ok || !printable(canonical):
		return "", nil, field("unusable")
	case utf8.RuneCountInString(canonical) > maxUsernameRunes || len(canonical) > 4*maxUsernameRunes:
		return "", nil, tooLong(maxUsernameRunes)
	}
	return norm.NFC.String(s), []byte(canonical), nil
}

// caseMapped applies the profile until it changes nothing, because a profile
// need not be stable after one round (RFC 8264, section 7).
func caseMapped(s string) (string, bool) {
	for range 4 {
		next, err := precis.UsernameCaseMapped.String(s)
		if err != nil {
			return "", false
		}
		if next == s {
			return s, true
		}
		s = next
	}
	return "", false
}

// domains maps a domain to its ASCII form as a browser does (UTS 46,
// non-transitional, so that ß is not ss), with the length and character rules
// of DNS on.
var domains = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.BidiRule(),
	idna.CheckJoiners(true),
	idna.StrictDomainName(true),
	idna.VerifyDNSLength(true),
)

// CanonicalEmail checks an address and returns it as typed (without the ASCII
// spaces around it) and as a key.
//
// Only the plain addr-spec of RFC 5322, section 3.4.1 is taken: a dot-atom of
// ASCII, "@", a domain with at least two labels. Display names, comments,
// quotes and address literals are refused, so that a mail can never go to
// another or to a second mailbox. The key is the local part in lower case and
// the domain in its ASCII form (RFC 5891): no provider in use tells addresses
// apart by case, and two people sharing one is worse than the rule's letter.
func CanonicalEmail(s string) (typed string, key []byte, wrong *apperr.Field) {
	s = strings.Trim(s, " ")
	switch {
	case s == "":
		return "", nil, field("required")
	case len(s) > maxEmailBytes:
		return "", nil, tooLong(maxEmailBytes)
	case !printable(s):
		return "", nil, field("unusable")
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || !dotAtom(local) {
		return "", nil, field("not_an_address")
	}
	ascii, ok := canonicalDomain(domain)
	if !ok {
		return "", nil, field("not_an_address")
	}
	canonical := strings.ToLower(local) + "@" + ascii
	if len(canonical) > maxEmailBytes {
		return "", nil, tooLong(maxEmailBytes)
	}
	return s, []byte(canonical), nil
}

func dotAtom(local string) bool {
	if local == "" || len(local) > maxLocalBytes {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" {
			return false
		}
	}
	for i := range len(local) {
		if !isAtext(local[i]) && local[i] != '.' {
			return false
		}
	}
	return true
}

// isAtext is RFC 5322, section 3.2.3.
func isAtext(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// canonicalDomain refuses a single label and a last label of digits alone,
// which would be an IPv4 address (RFC 3696, section 2).
func canonicalDomain(domain string) (string, bool) {
	ascii, err := domains.ToASCII(domain)
	if err != nil {
		return "", false
	}
	dot := strings.LastIndexByte(ascii, '.')
	if dot <= 0 || dot == len(ascii)-1 || strings.Trim(ascii[dot+1:], "0123456789") == "" {
		return "", false
	}
	// The profile may change a label that is already ASCII only in case; a
	// second round proves that the form is final.
	again, err := domains.ToASCII(ascii)
	return ascii, err == nil && again == ascii
}

// Mailbox is the address to write to: the local part as its owner typed it,
// the domain in its ASCII form, so that no mail server needs SMTPUTF8.
func Mailbox(email string, key []byte) string {
	local, _, ok := strings.Cut(email, "@")
	_, domain, ok2 := strings.Cut(string(key), "@")
	if !ok || !ok2 {
		return email
	}
	return local + "@" + domain
}

// CanonicalLogin reads what was typed into the one field of a login form: an
// address when it holds an "@", else a username. ok is false for what can be
// neither, and then no account has it.
func CanonicalLogin(s string) (key []byte, isEmail, ok bool) {
	if strings.Contains(s, "@") {
		_, key, wrong := CanonicalEmail(s)
		return key, true, wrong == nil
	}
	_, key, wrong := usernameForm(s)
	return key, false, wrong == nil
}

// canonicalName checks the name that is shown to people. It is optional, not
// unique and not looked up, so it needs no key: NFC, no edges of space, and
// nothing that cannot be seen.
func canonicalName(s string) (string, *apperr.Field) {
	s = strings.TrimSpace(norm.NFC.String(s))
	switch {
	case !printable(s):
		return "", field("unusable")
	case utf8.RuneCountInString(s) > maxNameRunes:
		return "", tooLong(maxNameRunes)
	}
	return s, nil
}

// ShownName is the canonical form of a name that somebody gives to a thing of
// theirs, and what is wrong with it.
func ShownName(s string) (string, *apperr.Field) { return canonicalName(s) }

// printable refuses invalid UTF-8 and every rune that draws nothing or changes
// how its neighbours are drawn: controls, zero-width and bidirectional
// formatting, line and paragraph separators, private and unassigned ones, and
// the rest of Unicode's Default_Ignorable_Code_Point.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r >= ' ' && r <= '~' {
			continue // nearly every rune, and the tables are slow
		}
		if !unicode.IsGraphic(r) || unicode.In(r, unicode.Zl, unicode.Zp,
			unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || r == brailleBlank {
			return false
		}
	}
	return true
}

// brailleBlank is a symbol by its class and empty by its looks.
const brailleBlank = '\u2800'

func field(reason string) *apperr.Field { return &apperr.Field{Reason: reason} }

func tooLong(limit int) *apperr.Field {
	return &apperr.Field{Reason: "too_long", Params: map[string]any{"Max": limit}}
}
