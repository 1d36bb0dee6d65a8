package passwords

import "strings"

// The alphabet of crypt(3), which phpass uses too.
const crypt64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// appendCrypt64 writes n characters of a number, the lowest six bits first.
func appendCrypt64(out []byte, v uint32, n int) []byte {
	for range n {
		out = append(out, crypt64[v&63])
		v >>= 6
	}
	return out
}

// permuted writes bytes of sum in groups of three, the first of each group on
// top. An index below zero is a byte of zeros; the group is then as short as
// it can be.
func permuted(sum []byte, order []int) []byte {
	out := make([]byte, 0, 4*len(order)/3)
	for i := 0; i < len(order); i += 3 {
		var v uint32
		n := 1
		for _, index := range order[i : i+3] {
			v <<= 8
			if index >= 0 {
				v |= uint32(sum[index])
				n++
			}
		}
		out = appendCrypt64(out, v, n)
	}
	return out
}

// isCrypt64 reports whether s has only characters of the alphabet.
func isCrypt64(s string) bool {
	for i := range len(s) {
		if strings.IndexByte(crypt64, s[i]) < 0 {
			return false
		}
	}
	return true
}

// maxCryptPassword is the longest password that crypt(3) of today's systems
// takes (libxcrypt: 512 bytes). The rounds of these schemes cost as much as
// the password is long, so nothing longer is computed.
const maxCryptPassword = 512

// cut is the part of a password that a crypt scheme looks at, and whether that
// is all of it. The rest of the work is done for a longer one too, and the
// answer is no.
func cut(password []byte) (seen []byte, whole bool) {
	return password[:min(len(password), maxCryptPassword)], len(password) <= maxCryptPassword
}
