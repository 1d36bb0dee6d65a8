package middleware

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
)

// hosts knows under which names the server answers (rule 7): the one of
// APP_URL, and when that is loopback also the other loopback names of the same
// port, which people type.
type hosts struct {
	exact    string // as browsers send it most of the time
	name     string
	port     string
	plain    string // the port that may be left out
	loopback bool
}

func newHosts(app *url.URL) hosts {
	h := hosts{exact: app.Host, name: strings.ToLower(app.Hostname()), port: app.Port(), plain: "80"}
	if app.Scheme == "https" {
		h.plain = "443"
	}
	if h.port == "" {
		h.port = h.plain
	}
	h.loopback = isLoopback(h.name)
	return h
}

// isLoopback knows names and addresses that never leave the machine (RFC 6761,
// section 6.3).
func isLoopback(name string) bool {
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

type hostVerdict uint8

const (
	unknownHost hostVerdict = iota
	ourHost
	aliasHost
)

func (h hosts) judge(host string) hostVerdict {
	if host == h.exact {
		return ourHost
	}
	name, port := splitHost(host, h.plain)
	switch {
	case port != h.port:
		return unknownHost
	case name == h.name:
		return ourHost
	case h.loopback && isLoopback(name):
		return aliasHost
	}
	return unknownHost
}

func splitHost(host, plain string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), plain
	}
	return strings.ToLower(strings.TrimSuffix(name, ".")), port
}

type aliasRule uint8

const (
	redirectAlias aliasRule = iota // pages: links and cookies belong to one name
	serveAlias                     // calls: a redirect would cost a client its Authorization header
)

// knownHost refuses a Host that is not ours with 421 (RFC 9110, section
// 15.5.20), which stops DNS rebinding and poisoned caches before anything is
// read. Absolute addresses never come from it anyway.
func (s *Set) knownHost(rule aliasRule) gin.HandlerFunc {
	return func(c *gin.Context) {
		switch s.hosts.judge(c.Request.Host) {
		case unknownHost:
			Fail(c, apperr.New(apperr.Misdirected, "unknown_host"))
		case aliasHost:
			if rule == redirectAlias && isRead(c.Request.Method) && !WantsJSON(c) {
				s.redirectHome(c)
			}
		}
	}
}

func (s *Set) redirectHome(c *gin.Context) {
	to := url.URL{Scheme: s.app.Scheme, Host: s.app.Host, Path: c.Request.URL.Path, RawPath: c.Request.URL.RawPath, RawQuery: c.Request.URL.RawQuery}
	c.Redirect(http.StatusTemporaryRedirect, to.String())
	c.Abort()
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func originOf(u *url.URL) string { return u.Scheme + "://" + strings.ToLower(u.Host) }
