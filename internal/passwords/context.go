package passwords

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What of a password has to be its own, when the words of its person and of
// this site are taken out: ownRest letters and digits, or ownDigits when they
// are digits only, which people append as a year or a count. A word shorter
// than leastWord is part of too many others to be looked for.
const (
	leastWord = 3
	ownRest   = 5
	ownDigits = 8
)

// isContext reports whether a password is one of the words that a thief tries
// first for this person on this site, or such words with a trifle around them:
// "gatehouse2026!", "maria1234", "M4ria-Harbour" (NIST SP 800-63B-4, section
// 3.1.1.2: context-specific words). What is punctuation never counts.
func isContext(password string, values []string) bool {
	bare := letters(password)
	if bare == "" {
		return false
	}
	words := wordsOf(values)
	if slices.Contains(words, bare) {
		return true
	}
	return trifle(bare, bare, words) || trifle(bare, unleet(password), words)
}

// trifle takes the words out of bare where they stand in seen, which is bare in
// another spelling, and reports whether too little is left.
func trifle(bare, seen string, words []string) bool {
	rest, found := []rune(bare), false
	for _, word := range words {
		n := utf8.RuneCountInString(word)
		if n < leastWord {
			continue
		}
		for from := 0; ; {
			i := strings.Index(seen[from:], word)
			if i < 0 {
				break
			}
			at := utf8.RuneCountInString(seen[:from+i])
			for k := range n {
				rest[at+k] = 0
			}
			from, found = from+i+len(word), true
		}
	}
	own, digits := 0, true
	for _, r := range rest {
		if r != 0 {
			own, digits = own+1, digits && unicode.IsDigit(r)
		}
	}
	return found && (own < ownRest || digits && own < ownDigits)
}

// wordsOf is what the values hold, the longest first: each as a whole, the two
// sides of an address, and every word in them.
func wordsOf(values []string) (words []string) {
	add := func(s string) {
		if s != "" && !slices.Contains(words, s) {
			words = append(words, s)
		}
	}
	for _, v := range values {
		local, domain, address := strings.Cut(v, "@")
		add(letters(v))
		add(letters(local))
		for _, w := range strings.FieldsFunc(local, notLetter) {
			add(letters(w))
		}
		if address {
			domain = beforeLastDot(domain) // "com" says nothing about anybody
		}
		for _, w := range strings.FieldsFunc(domain, notLetter) {
			add(letters(w))
		}
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return words
}

// HostWords is what people take from the host of a site for a password on it:
// every part of its name but the last.
func HostWords(host string) []string {
	if strings.IndexFunc(host, unicode.IsLetter) < 0 {
		return nil // an address in digits is nobody's word
	}
	return strings.FieldsFunc(beforeLastDot(host), notLetter)
}

func beforeLastDot(host string) string {
	if i := strings.LastIndexByte(host, '.'); i >= 0 {
		return host[:i]
	}
	return host
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }

// letters folds s to its letters and digits in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFC.String(s))
}

// unleet is letters with the digits that people write for letters. It has as
// many runes as letters.
func unleet(s string) string {
	return strings.Map(func(r rune) rune {
		if i := strings.IndexRune("013457", r); i >= 0 {
			return rune("oieast"[i])
		}
		return r
	}, letters(s))
}
