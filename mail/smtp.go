package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"gatehouse/models"
)

// transport knows the SMTP server and who sends.
type transport struct {
	server server
	from   *netmail.Address
	// tls is the base of the TLS settings; tests put their own roots in.
	tls *tls.Config
	// sign adds a DKIM signature; nil without a key.
	sign *dkim.SignOptions
}

const (
	// dialTimeout bounds a connection up to the sign-in: greeting, EHLO, TLS.
	dialTimeout = 30 * time.Second
	// sendTimeout bounds one mail from MAIL to the answer to its last line. That
	// answer may take long (RFC 5321, section 4.5.3.2.6), and who does not wait
	// for it sends the mail twice.
	sendTimeout = 60 * time.Second
)

var errFrom = errors.New("MAIL_FROM is not an address: want login@example.com or Gatehouse <login@example.com>")

func newTransport(smtpURL, from string) (*transport, error) {
	s, err := parseURL(smtpURL)
	if err != nil {
		return nil, err
	}
	address, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, errFrom
	}
	if address.Address, err = envelope(address.Address); err != nil {
		return nil, errFrom
	}
	address.Name = oneLine(address.Name)
	return &transport{server: s, from: address, tls: &tls.Config{MinVersion: tls.VersionTLS12}}, nil
}

func (t *transport) domain() string {
	_, domain, _ := strings.Cut(t.from.Address, "@")
	return domain
}

// connect opens a connection that is ready for mail: greeted, encrypted and
// signed in. Whatever goes wrong ends it; there is no falling back to less.
func (t *transport) connect(ctx context.Context) (*smtp.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(t.server.host, strconv.Itoa(t.server.port)))
	if err != nil {
		return nil, err
	}
	// A stop must not wait for a server that greets slowly.
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	client, err := t.greet(ctx, raw)
	if err == nil {
		err = t.signIn(client)
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return client, nil
}

// greet speaks up to EHLO and TLS. STARTTLS (RFC 3207) is insisted on unless
// the address of the server says otherwise, so that nobody on the way can talk
// us out of it. A certificate that does not fit is the end (RFC 8314, section
// 4.1).
func (t *transport) greet(ctx context.Context, raw net.Conn) (*smtp.Client, error) {
	conf := t.tls.Clone()
	conf.ServerName = t.server.host
	var conn net.Conn = &bounded{Conn: raw, left: maxAnswer}
	if t.server.implicit {
		secure := tls.Client(conn, conf)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	client, err := smtp.NewClient(conn, t.server.host)
	if err != nil {
		return nil, err
	}
	if err := client.Hello(t.domain()); err != nil {
		return nil, err
	}
	if t.server.implicit {
		return client, nil
	}
	if offered, _ := client.Extension("STARTTLS"); offered {
		return client, client.StartTLS(conf)
	}
	if !t.server.plain {
		return nil, errors.New("the server offers no STARTTLS")
	}
	return client, nil
}

var errNoAuth = errors.New("the server offers no way to sign in that is safe on this connection")

// signIn uses PLAIN and LOGIN inside TLS alone; on a plain connection to this
// machine only a method that does not show the password will do.
func (t *transport) signIn(client *smtp.Client) error {
	s := t.server
	if s.user == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	methods := strings.Fields(strings.ToUpper(offered))
	_, secure := client.TLSConnectionState()
	for _, m := range []struct {
		name string
		ok   bool
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", true, smtp.ScramSHA256Auth(s.user, s.password)},
		{"PLAIN", secure, smtp.PlainAuth("", s.user, s.password, s.host, false)},
		{"LOGIN", secure, smtp.LoginAuth(s.user, s.password, s.host, false)},
		{"CRAM-MD5", true, smtp.CRAMMD5Auth(s.user, s.password)},
	} {
		if m.ok && slices.Contains(methods, m.name) {
			return client.Auth(m.auth)
		}
	}
	return errNoAuth
}

// message builds the mail of a row. Its Message-ID is the row's id and its date
// the row's, so that a mail that is sent again after a crash is the same mail to
// whoever gets it.
func (t *transport) message(row *models.OutboxMail, c content) ([]byte, error) {
	to, err := envelope(row.Recipient)
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(t.from)
	msg.AddToMailAddress(&netmail.Address{Address: to})
	msg.Subject(oneLine(c.Subject))
	msg.SetDateWithValue(row.CreatedAt.Time)
	msg.SetMessageIDWithValue(row.ID.String() + "@" + t.domain())
	// No answering machine should answer (RFC 3834, section 5).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("Content-Language", oneLine(row.Locale))
	msg.SetBodyString(gomail.TypeTextPlain, c.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, c.HTML)
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return nil, err
	}
	return t.signed(out.Bytes())
}
