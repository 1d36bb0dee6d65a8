package middleware

import (
	"net/netip"
	"strings"
	"testing"
)

// The other headers that name an address are never read, whoever sends them:
// not every proxy removes those that it does not write.
func TestOnlyOneHeaderNamesAnAddress(t *testing.T) {
	s, _ := newSet(t, func(d *Deps) { d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	for _, name := range []string{"Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Forwarded", "X-Cluster-Client-IP", "Client-IP", "X_Forwarded_For"} {
		value := "6.6.6.6"
		if name == "Forwarded" {
			value = `for=6.6.6.6;proto=https, for="[2001:db8::6]:80", for=_gazonk`
		}
		r := ask("GET", "/", name, value)
		r.RemoteAddr = "10.0.0.1:1"
		if got := s.ClientIP(r).String(); got != "10.0.0.1" {
			t.Errorf("%s was believed: %s", name, got)
		}
	}
}

func FuzzParseHop(f *testing.F) {
	for _, seed := range []string{"198.51.100.1", "[2001:db8::1%eth0]:80", "::ffff:10.0.0.1", "unknown", " 1.1.1.1 ", "[1.1.1.1]:80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ip := parseHop(s)
		if !ip.IsValid() {
			return
		}
		if ip.Zone() != "" || ip.Is4In6() || strings.ContainsAny(ip.String(), "%[] ") {
			t.Errorf("%q is %s, which has another spelling", s, ip)
		}
		if again := parseHop(ip.String()); again != ip {
			t.Errorf("%q is %s, and that is %s", s, ip, again)
		}
	})
}
