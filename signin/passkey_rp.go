package signin

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// relyingParty is who we are to an authenticator (WebAuthn Level 3, section
// 5.4.2). It comes from the settings alone: a request that named it could have
// a passkey made, or used, for a name of its choice.
type relyingParty struct {
	// id is the domain that passkeys are made for; "" where there can be none.
	id   string
	name string
	// origins are the addresses from which a page may use the passkeys, our
	// own first (Level 3, sections 5.11 and 13.4.9).
	origins []string
	// older are the domains that may be asked for besides.
	older []string
}

// newRelyingParty reads APP_URL and the origins that may share its passkeys.
// An IP address is no domain and can have none (Level 3, section 5.1.3).
func newRelyingParty(appURL, name string, related []string) relyingParty {
	own, host := originOf(appURL)
	if own == "" || net.ParseIP(host) != nil {
		return relyingParty{}
	}
	if name == "" {
		name = host
	}
	rp := relyingParty{id: host, name: name, origins: []string{own}, older: olderDomains(appURL, related)}
	for _, one := range related {
		if origin, _ := originOf(one); origin != "" && !slices.Contains(rp.origins, origin) {
			rp.origins = append(rp.origins, origin)
		}
	}
	return rp
}

// originOf is an address as browsers write its origin (HTML, "serialization of
// an origin"): lower case, without the port that the scheme has anyway. It is
// compared byte for byte, because a comparison that is kinder than the
// browser's could only let more in.
func originOf(address string) (origin, host string) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", ""
	}
	host = strings.ToLower(u.Hostname())
	port := u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return u.Scheme + "://" + bracketed(host), host
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port), host
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
