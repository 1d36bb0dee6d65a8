package middleware

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops is how many entries of X-Forwarded-For are looked at.
const maxHops = 32

// ClientIP is the address that asks: the peer of the socket, or, when that is
// a trusted proxy, the right-most hop of X-Forwarded-For that is not one (rule
// 8). Entries left of it are what a stranger wrote. Gin's own ClientIP is not
// used anywhere: it believes the header until told otherwise.
func (s *Set) ClientIP(r *http.Request) netip.Addr {
	last := peerOf(r)
	if !s.trusted(last) {
		return last
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0 && len(hops)-i <= maxHops; i-- {
		hop := parseHop(hops[i])
		if !hop.IsValid() {
			return last // unreadable: the last one that a proxy of ours vouched for
		}
		last = hop
		if !s.trusted(hop) {
			return hop
		}
	}
	return last
}

func (s *Set) trusted(ip netip.Addr) bool {
	if !ip.IsValid() {
		return false
	}
	for _, network := range s.TrustedProxies {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

// parseHop reads an address with or without a port, as proxies write both.
func parseHop(s string) netip.Addr {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	inner, bracketed := strings.CutPrefix(s, "[")
	if bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || bracketed != (s != inner) || bracketed && !ip.Is6() {
		return netip.Addr{}
	}
	return ip.Unmap().WithZone("")
}

// forwarded reports whether somebody passed this request on. Besides the
// standard header (RFC 7239) and Via (RFC 9110, section 7.6.3) it knows the
// names that tunnels and content networks use.
func forwarded(h http.Header) bool {
	for name := range h {
		if proxyHeader[name] || strings.HasPrefix(name, "X-Forwarded") || strings.HasPrefix(name, "X-Original-") ||
			strings.HasPrefix(name, "X-Envoy-") || strings.HasPrefix(name, "Cf-") {
			return true
		}
	}
	return false
}

var proxyHeader = map[string]bool{
	"Forwarded": true, "Via": true, "Cdn-Loop": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true,
	"X-Proxyuser-Ip": true, "X-Remote-Ip": true, "True-Client-Ip": true, "Client-Ip": true, "Fastly-Client-Ip": true,
	"Fly-Client-Ip": true, "X-Azure-Clientip": true, "X-Appengine-User-Ip": true, "Tailscale-User-Login": true,
}
