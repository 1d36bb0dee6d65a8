package accounts

import (
	"slices"
	"unicode"
)

// together are the scripts that one language writes side by side: Japanese,
// Chinese and Korean, each with Latin letters (UTS 39, section 5.2, "Highly
// Restrictive").
var together = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// oneScript refuses names that mix scripts: an "admin" with a Cyrillic first
// letter looks like the Latin word, and whoever reads a list of people, an
// invitation or a log takes one account for the other. What all scripts share
// (digits, marks, punctuation) belongs to any. A name whose letters are all of
// another script may still look like one of ours.
func oneScript(s string) bool {
	var found []string
	for _, r := range s {
		script := scriptOf(r)
		if script != "" && !slices.Contains(found, script) {
			found = append(found, script)
		}
	}
	return len(found) <= 1 || slices.ContainsFunc(together, func(set []string) bool {
		return !slices.ContainsFunc(found, func(f string) bool { return !slices.Contains(set, f) })
	})
}

// scriptOf is "" for what belongs to any script.
func scriptOf(r rune) string {
	if r <= unicode.MaxASCII {
		if unicode.IsLetter(r) {
			return "Latin"
		}
		return ""
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			if name == "Common" || name == "Inherited" {
				return ""
			}
			return name
		}
	}
	return ""
}
