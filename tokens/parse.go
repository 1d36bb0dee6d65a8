package tokens

import "strings"

// tokenBody is how many base62 characters carry the 256 random bits of a
// token: the number that secrets.NewToken writes.
const tokenBody = 43

// wellFormed reports whether s can be a token of this prefix at all, so that
// garbage of any size is refused before it is hashed and before any query. It
// decides nothing more: equality of the full hash does (security rule 4), so
// no second spelling of a token can pass.
func wellFormed(s, prefix string) bool {
	if len(s) != len(prefix)+tokenBody || !strings.HasPrefix(s, prefix) {
		return false
	}
	for i := len(prefix); i < len(s); i++ {
		if !isBase62(s[i]) {
			return false
		}
	}
	return true
}

func isBase62(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// codeLen is the length of a mailed code (NIST SP 800-63B-4, section 3.1.3.1
// asks for at least six digits).
const codeLen = 6

// parseCode reads a code as people type and paste it: spaces and dashes between
// the digits are skipped. Only ASCII digits count, so that one code has one
// meaning on every system. ok is false for whatever cannot be a code.
func parseCode(typed string) (code string, ok bool) {
	if len(typed) > 4*codeLen {
		return "", false
	}
	digits := make([]byte, 0, codeLen)
	for i := range len(typed) {
		switch c := typed[i]; {
		case c == ' ' || c == '-':
		case c < '0' || c > '9' || len(digits) == codeLen:
			return "", false
		default:
			digits = append(digits, c)
		}
	}
	return string(digits), len(digits) == codeLen
}
