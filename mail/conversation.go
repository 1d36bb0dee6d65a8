package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"gatehouse/models"
)

const (
	// freshFor is how long a connection may have been idle to be used again.
	freshFor = 15 * time.Second
	// maxAnswer bounds what a server may say to one command. The parser keeps a
	// line in memory however long it is.
	maxAnswer = 64 << 10
)

var errTalkative = errors.New("the answer is longer than any server's")

// bounded is a connection that ends when the other side talks without being
// asked. Every line of ours allows another answer.
type bounded struct {
	net.Conn
	left int
}

// Read implements net.Conn.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTalkative
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Write implements net.Conn.
func (b *bounded) Write(p []byte) (int, error) {
	b.left = maxAnswer
	return b.Conn.Write(p)
}

// conversation is one connection, opened when it is needed and kept while there
// is something to send.
type conversation struct {
	transport *transport
	clock     func() time.Time
	client    *smtp.Client
	usedAt    time.Time
	used      bool // a mail went over it
}

// ready makes sure that there is a connection.
func (c *conversation) ready(ctx context.Context) error {
	if c.client != nil {
		if c.clock().Sub(c.usedAt) < freshFor {
			return nil
		}
		c.close()
	}
	client, err := c.transport.connect(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errServer, err)
	}
	c.client, c.usedAt, c.used = client, c.clock(), false
	return nil
}

// send sends one mail and returns the server's answer to it.
func (c *conversation) send(ctx context.Context, row *models.OutboxMail, body []byte) (string, error) {
	to, err := envelope(row.Recipient)
	if err != nil {
		return "", refusal{why: "the address is none"}
	}
	answer, err := c.say(to, body)
	if errors.Is(err, errStale) {
		// A connection that was kept may have been closed meanwhile. Nothing of
		// this mail was said on it, so a new one may be asked at once.
		c.close()
		if err := c.ready(ctx); err != nil {
			return "", err
		}
		answer, err = c.say(to, body)
	}
	if errors.Is(err, errServer) {
		c.close()
	}
	return answer, err
}

// errStale is the end of a connection before anything of a mail was said.
var errStale = fmt.Errorf("%w: the connection has ended", errServer)

// say speaks the four steps of RFC 5321, section 3.3, for one recipient.
func (c *conversation) say(to string, body []byte) (string, error) {
	reused := c.used
	c.used = true
	defer func() { c.usedAt = c.clock() }()
	if err := c.client.UpdateDeadline(sendTimeout); err != nil {
		return "", errStale
	}
	// Asking for SMTPUTF8 (RFC 6531) without need makes relays behind this
	// server, which may not have it, refuse plain addresses.
	c.client.SkipSMTPUTF8(ascii(to) && ascii(c.transport.from.Address))
	if err := c.client.Mail("<" + c.transport.from.Address + ">"); err != nil {
		if code, _ := reply(err); reused && (code == 0 || code == 421) {
			return "", errStale
		}
		// A refused sender is the matter of the settings, not of this mail.
		return answerOf(err), fmt.Errorf("%w: %w", errServer, err)
	}
	if err := c.client.Rcpt("<" + to + ">"); err != nil {
		return answerOf(err), c.judge(err)
	}
	return c.data(body)
}

// data sends the mail itself. Only the answer to its last line makes it sent.
func (c *conversation) data(body []byte) (string, error) {
	w, err := c.client.Data()
	if err != nil {
		return answerOf(err), c.judge(err)
	}
	if _, err := w.Write(body); err != nil {
		return "", fmt.Errorf("%w: %w", errServer, err)
	}
	if err := w.Close(); err != nil {
		return answerOf(err), c.judge(err)
	}
	if said, ok := w.(*smtp.DataCloser); ok {
		return cut("250 " + said.ServerResponse()), nil
	}
	return "", nil
}

// refusal is a reply of 5xx to this mail: sending it again would not help.
type refusal struct {
	code int
	why  string
}

// Error implements error.
func (r refusal) Error() string {
	if r.code == 0 {
		return r.why
	}
	return fmt.Sprintf("the server refused it for good (%d)", r.code)
}

// errServer is a fault of the connection or the server, not of one mail.
var errServer = errors.New("the SMTP server takes no mail now")

// judge sorts what the server said to a recipient or a mail: a refusal (5xx), a
// refusal for now (4xx), or a fault of the server. 421 is the server hanging up
// (RFC 5321, section 3.8). After a refusal the conversation goes on.
func (c *conversation) judge(err error) error {
	code, ok := reply(err)
	switch {
	case !ok || code < 400 || code > 599 || code == 421:
		return fmt.Errorf("%w: %w", errServer, err)
	case c.client.Reset() != nil:
		c.close() // the verdict about this mail stands all the same
	}
	if code >= 500 {
		return refusal{code: code}
	}
	return fmt.Errorf("the server put it off (%d)", code)
}

// reply is the code of the server's reply in an error.
func reply(err error) (int, bool) {
	said, ok := errors.AsType[*textproto.Error](err)
	if !ok {
		return 0, false
	}
	return said.Code, true
}

// answerOf is what the server said, as the operator may see it.
func answerOf(err error) string {
	if said, ok := errors.AsType[*textproto.Error](err); ok {
		return cut(fmt.Sprintf("%d %s", said.Code, said.Msg))
	}
	return ""
}

func ascii(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }) }

func (c *conversation) close() {
	if c.client == nil {
		return
	}
	// The mails have been answered for; QUIT is politeness and must not take long.
	_ = c.client.UpdateDeadline(2 * time.Second)
	if c.client.Quit() != nil {
		_ = c.client.Close()
	}
	c.client = nil
}
