package middleware

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Rule 8: who is no trusted proxy says nothing about where somebody comes from.
func FuzzForwardedFor(f *testing.F) {
	f.Add("192.0.2.7, 10.0.0.2", "10.0.0.1:4000")
	f.Add("[2001:db8::1]:443,, 10.0.0.2", "[::ffff:10.0.0.1]:4000")
	f.Add(strings.Repeat("10.0.0.1,", 200), "10.0.0.1:1")
	f.Add("fe80::1%eth0", "198.51.100.4:4000")
	s := &Set{Deps: Deps{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	f.Fuzz(func(t *testing.T, header, remote string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {header}}}
		peer, got := peerOf(r), s.ClientIP(r)
		if !s.trusted(peer) && got != peer {
			t.Errorf("%q from %q is taken for %v", header, remote, got)
		}
		if got != peer && !slices.ContainsFunc(strings.Split(header, ","), func(hop string) bool { return parseHop(hop) == got }) {
			t.Errorf("%v stands nowhere in %q", got, header)
		}
		if got.Is4In6() || got.Zone() != "" {
			t.Errorf("%v is a second spelling of an address", got)
		}
	})
}

func FuzzAcceptLanguage(f *testing.F) {
	f.Add("de-CH,de;q=0.9,en;q=0.8")
	f.Add(strings.Repeat("en-", 4000))
	f.Add(strings.Repeat("x-a_", 3000) + ";q=NaN")
	names := []string{"en", "de"}
	m := newLanguageMatcher(names)
	f.Fuzz(func(t *testing.T, header string) {
		if len(header) > 32<<10 {
			return // net/http lets no longer one in
		}
		begun := time.Now()
		if got := m.match(header); !slices.Contains(names, got) {
			t.Errorf("%q asks for %q", header, got)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it takes %v to read %d bytes", took, len(header))
		}
	})
}

// Rule 7: nothing but our own name, in its spellings, is our host.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"gate.example", "GATE.example.:443", "gate.example:80", "gate.example@evil.example", "[gate.example]", "gate.example:443:443", "[::1]:443", ""} {
		f.Add(seed)
	}
	h := newHosts(&url.URL{Scheme: "https", Host: "gate.example"})
	f.Fuzz(func(t *testing.T, host string) {
		if h.judge(host) == unknownHost {
			return
		}
		plain := strings.TrimSuffix(strings.ToLower(host), ":443")
		plain = strings.Trim(strings.TrimSuffix(plain, "."), "[]")
		if plain = strings.TrimSuffix(plain, "."); plain != "gate.example" && plain != "gate.example:" {
			t.Errorf("%q is taken for ours", host)
		}
	})
}
