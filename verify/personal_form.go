package verify

import (
	"hash/crc32"
	"strings"
)

// A personal token is PersonalPrefix, 43 base62 digits that carry 256 random
// bits, and 6 base62 digits of a checksum:
//
//	gh_pat_[0-9A-Za-z]{49}
//
// The prefix and the checksum are for secret scanners, which find one in any
// text and know without a call that it is one, and for everybody who checks
// tokens: a mistyped or cut one is refused without a look-up.
const (
	PersonalPrefix = "gh_pat_"
	personalBody   = 43
	personalSum    = 6
	personalLength = len(PersonalPrefix) + personalBody + personalSum
)

// PersonalChecksum is what ends a personal token that begins with text: the
// CRC-32 (IEEE 802.3) of text as six base62 digits, 0-9 A-Z a-z. It keeps
// nothing secret and stops nobody who forges.
func PersonalChecksum(text string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out [personalSum]byte
	n := crc32.ChecksumIEEE([]byte(text))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = digits[n%62]
		n /= 62
	}
	return string(out[:])
}

// IsPersonal reports whether token says of itself that it is a personal one.
func IsPersonal(token string) bool { return strings.HasPrefix(token, PersonalPrefix) }

// WellFormedPersonal reports whether token can be a personal token at all.
func WellFormedPersonal(token string) bool {
	if len(token) != personalLength || !IsPersonal(token) {
		return false
	}
	for i := len(PersonalPrefix); i < len(token); i++ {
		c := token[i]
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return false
		}
	}
	at := len(token) - personalSum
	return token[at:] == PersonalChecksum(token[:at])
}
