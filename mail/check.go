package mail

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// The levels of a finding.
const (
	OK   = "ok"
	Warn = "warn"
	Fail = "fail"
)

// Finding is what the command doctor says about one thing: how it is, and what
// to do when it is not well.
type Finding struct {
	Check string `json:"check"`
	Level string `json:"level"`
	Text  string `json:"text"`
	Todo  string `json:"todo,omitempty"`
}

const certificateSoon = 14 * 24 * time.Hour

// CheckServer connects to the SMTP server as the worker does, signs in and
// hangs up. Nothing is sent.
func (m *Mailer) CheckServer(ctx context.Context) Finding {
	const check = "smtp"
	if m.transport == nil {
		return m.noServer()
	}
	s := m.transport.server
	where := net.JoinHostPort(s.host, fmt.Sprint(s.port))
	client, err := m.transport.connect(ctx)
	if err != nil {
		return Finding{check, Fail, fmt.Sprintf("%s takes no mail: %s", where, cut(err.Error())), adviceFor(err)}
	}
	talk := &conversation{transport: m.transport, clock: m.Clock, client: client}
	defer talk.close()
	how := "without TLS, on this machine or by ?tls=off"
	if state, ok := client.TLSConnectionState(); ok {
		how = "over " + tlsName(state.Version)
		if end := state.PeerCertificates[0].NotAfter; m.Clock().Add(certificateSoon).After(end) {
			return Finding{check, Warn, fmt.Sprintf("%s answers %s, but its certificate ends on %s", where, how, end.Format(time.DateOnly)),
				"have the certificate renewed: no mail leaves when it has ended"}
		}
	}
	signed := "no sign-in"
	if s.user != "" {
		signed = "signed in as " + s.user
	}
	return Finding{check, OK, fmt.Sprintf("%s answers %s, %s", where, how, signed), ""}
}

func (m *Mailer) noServer() Finding {
	if m.dev() {
		return Finding{"smtp", OK, "no SMTP_URL: mail lands in the development inbox", ""}
	}
	return Finding{"smtp", Warn, "no SMTP_URL: sign-up, reset and everything else that needs mail answers 503", "set SMTP_URL and MAIL_FROM"}
}

func tlsName(version uint16) string {
	if version >= 0x0304 {
		return "TLS 1.3"
	}
	return "TLS 1.2"
}

// adviceFor says what usually helps.
func adviceFor(err error) string {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var certificate x509.CertificateInvalidError
	if errors.As(err, &host) || errors.As(err, &authority) || errors.As(err, &certificate) {
		return "name the host in SMTP_URL as its certificate does, or have the certificate put right; Gatehouse never sends past a bad one"
	}
	if code, ok := reply(err); ok && (code == 535 || code == 534 || code == 530) {
		return "check user and password in SMTP_URL; special characters are written as in addresses, %40 for @"
	}
	if errors.Is(err, errNoAuth) {
		return "use a port with TLS, 587 or smtps:// with 465, or leave the user out of SMTP_URL"
	}
	return "check host and port of SMTP_URL, and that no firewall is in between"
}

// Resolver asks DNS; it is a *net.Resolver.
type Resolver interface {
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// dnsTimeout bounds each look-up.
const dnsTimeout = 3 * time.Second
