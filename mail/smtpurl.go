package mail

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// server is an SMTP server as SMTP_URL names it.
type server struct {
	host           string
	port           int
	user, password string
	// implicit is TLS from the first byte (RFC 8314, section 3.3).
	implicit bool
	// plain permits a connection without TLS: asked for with ?tls=off, or to
	// this machine itself.
	plain bool
}

// The usual ports (RFC 8314, section 7.3; RFC 6409, section 3.1).
const (
	portSubmission  = 587
	portSubmissions = 465
)

// The errors never repeat the address: it holds the password.
var (
	errURL      = errors.New("SMTP_URL is not an address: want smtp://user:password@host:587 or smtps://user:password@host:465")
	errPlainPwd = errors.New("SMTP_URL turns TLS off and has a password, which would cross the network in the clear: leave out one of the two")
)

// parseURL reads SMTP_URL. smtp:// insists on STARTTLS, but towards this
// machine itself, where it is used if offered.
func parseURL(s string) (server, error) {
	u, err := url.Parse(s)
	if err != nil || strings.ContainsFunc(s, unicode.IsControl) {
		return server{}, errURL
	}
	out := server{host: u.Hostname(), implicit: u.Scheme == "smtps"}
	if (u.Scheme != "smtp" && !out.implicit) || out.host == "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return server{}, errURL
	}
	if out.port, err = portOf(u, out.implicit); err != nil {
		return server{}, err
	}
	if u.User != nil {
		out.user = u.User.Username()
		out.password, _ = u.User.Password()
		if out.user == "" || strings.ContainsFunc(out.user+out.password, unicode.IsControl) {
			return server{}, errURL
		}
	}
	return out, out.setPlain(u)
}

func portOf(u *url.URL, implicit bool) (int, error) {
	if u.Port() == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, errURL
		}
		if implicit {
			return portSubmissions, nil
		}
		return portSubmission, nil
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil || n < 1 || n > 65535 {
		return 0, errURL
	}
	return n, nil
}

// setPlain reads ?tls=off, for a relay on a private network.
func (s *server) setPlain(u *url.URL) error {
	loopback := isLoopback(s.host)
	s.plain = loopback && !s.implicit
	if u.RawQuery == "" {
		return nil
	}
	if u.RawQuery != "tls=off" || s.implicit {
		return errURL
	}
	if s.user != "" && !loopback {
		return errPlainPwd
	}
	s.plain = true
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
