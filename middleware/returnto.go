package middleware

import (
	"net/url"
	"strings"
)

// maxReturnTo is the longest way back that is remembered; longer ones are
// dropped, not cut, because a cut path is another path.
const maxReturnTo = 512

// LocalPath reports the path to go back to when raw is a path on this server,
// and fallback for everything else. It stops open redirects (ASVS 5.0, V3.7.2):
// browsers read "//evil.example", "/\evil.example" and "/\t/evil.example" as
// another host, so that one slash followed by neither slash nor backslash is
// required, in the raw form and once decoded.
func LocalPath(raw, fallback string) string {
	if len(raw) > maxReturnTo || !localStart(raw) || !plainASCII(raw) {
		return fallback
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return fallback
	}
	if !localStart(u.Path) || strings.ContainsAny(u.Path, "\\\x00\r\n\t") || strings.Contains(u.Path, "//") {
		return fallback
	}
	if hasDots(u.Path) || endsInLoop(u.Path) {
		return fallback
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}

func localStart(p string) bool {
	return p != "" && p[0] == '/' && (len(p) == 1 || p[1] != '/' && p[1] != '\\')
}

// plainASCII refuses controls, spaces, backslashes and bytes above 126: a path
// that our own pages made has none of them.
func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// hasDots refuses "." and ".." segments, which a browser resolves after the
// check.
func hasDots(p string) bool {
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// endsInLoop refuses pages that would only send the visitor away again.
func endsInLoop(p string) bool {
	return p == "/login" || p == "/logout" || p == "/account/reauth"
}
