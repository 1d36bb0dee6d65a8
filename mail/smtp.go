package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"gatehouse/models"
)

// transport sends mails over one SMTP connection at a time.
type transport struct {
	server server
	from   *netmail.Address
	// tls is the base of the TLS settings; tests put their own roots in.
	tls *tls.Config
}

// smtpTimeout bounds every step of a conversation.
const smtpTimeout = 20 * time.Second

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

func (t *transport) client() (*gomail.Client, error) {
	conf := t.tls.Clone()
	conf.ServerName = t.server.host
	options := []gomail.Option{
		gomail.WithPort(t.server.port),
		gomail.WithTimeout(smtpTimeout),
		gomail.WithTLSConfig(conf),
		gomail.WithTLSPolicy(t.policy()),
		gomail.WithHELO(t.domain()),
	}
	if t.server.implicit {
		options = append(options, gomail.WithSSL())
	}
	if t.server.user != "" {
		options = append(options,
			gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(t.server.user), gomail.WithPassword(t.server.password))
	}
	return gomail.NewClient(t.server.host, options...)
}

// policy insists on STARTTLS (RFC 3207) unless the address says otherwise, so
// that nobody on the way can talk us out of it.
func (t *transport) policy() gomail.TLSPolicy {
	if t.server.plain {
		return gomail.TLSOpportunistic
	}
	return gomail.TLSMandatory
}

func (t *transport) domain() string {
	_, domain, _ := strings.Cut(t.from.Address, "@")
	return domain
}

// message builds the mail of a row. Its Message-ID is the row's id, so that a
// mail that is sent again after a crash is the same mail to whoever gets it.
func (t *transport) message(row *models.OutboxMail, c content, at time.Time) (*gomail.Msg, error) {
	to, err := envelope(row.Recipient)
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(t.from)
	msg.AddToMailAddress(&netmail.Address{Address: to})
	msg.Subject(oneLine(c.Subject))
	msg.SetDateWithValue(at)
	msg.SetMessageIDWithValue(row.ID.String() + "@" + t.domain())
	// No answering machine should answer (RFC 3834, section 5).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("Content-Language", row.Locale)
	msg.SetBodyString(gomail.TypeTextPlain, c.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, c.HTML)
	return msg, nil
}

// refusal is a reply of 5xx to this mail: sending it again would not help.
type refusal struct{ code int }

func (r refusal) Error() string { return fmt.Sprintf("the server refused it for good (%d)", r.code) }

// errServer is a fault of the connection or the server, not of one mail.
var errServer = errors.New("mail: the SMTP server doesn't take mails now")

// judge sorts what went wrong into: nil, a refusal, a temporary refusal, or a
// fault of the server. Replies about our own credentials and the sender are
// the server's matter: a wrong password in SMTP_URL must not fail every mail.
func judge(err error) error {
	if err == nil {
		return nil
	}
	var s *gomail.SendError
	if !errors.As(err, &s) || s.ErrorCode() < 400 || s.Reason == gomail.ErrSMTPMailFrom {
		return fmt.Errorf("%w: %w", errServer, err)
	}
	if s.ErrorCode() >= 500 {
		return refusal{code: s.ErrorCode()}
	}
	return fmt.Errorf("the server put it off (%d)", s.ErrorCode())
}

// conversation is one connection, opened at the first mail.
type conversation struct {
	transport *transport
	client    *gomail.Client
}

func (c *conversation) send(ctx context.Context, msg *gomail.Msg) error {
	if c.client == nil {
		client, err := c.transport.client()
		if err != nil {
			return fmt.Errorf("%w: %w", errServer, err)
		}
		if err := client.DialWithContext(ctx); err != nil {
			return fmt.Errorf("%w: %w", errServer, err)
		}
		c.client = client
	}
	err := c.client.Send(msg)
	if msg.IsDelivered() {
		return nil // what failed afterwards is not this mail's matter
	}
	return judge(err)
}

func (c *conversation) close() {
	if c.client != nil {
		_ = c.client.Close() // the mails have been answered for
		c.client = nil
	}
}
