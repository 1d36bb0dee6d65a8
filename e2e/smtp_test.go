package e2e

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// postOffice is a real SMTP server that keeps what it took, in order.
type postOffice struct {
	t    *testing.T
	url  string
	mu   sync.Mutex
	took []letter
}

func openPostOffice(t *testing.T) *postOffice {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postOffice{t: t, url: "smtp://" + l.Addr().String()}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &counter{office: p}, nil }))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return p
}

// counter is one conversation with the product.
type counter struct {
	office *postOffice
	to     string
}

func (c *counter) Mail(string, *smtp.MailOptions) error      { return nil }
func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error { c.to = to; return nil }
func (c *counter) Reset()                                    {}
func (c *counter) Logout() error                             { return nil }

func (c *counter) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	l, err := readLetter(m)
	if err != nil {
		return err
	}
	l.To = c.to
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	c.office.took = append(c.office.took, l)
	return nil
}

var (
	sixDigits = regexp.MustCompile(`(?m)^\s*([0-9]{3}) ?([0-9]{3})\s*$`)
	address   = regexp.MustCompile(`https?://\S+`)
)

// readLetter reads what a person would see in a program without HTML.
func readLetter(m *mail.Message) (letter, error) {
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return letter{}, err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return letter{}, err
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return letter{}, err
	}
	var body io.Reader = part
	if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(part)
	}
	text, err := io.ReadAll(body)
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	l := letter{Subject: subject, Text: string(text), Links: address.FindAllString(string(text), -1)}
	if code := sixDigits.FindStringSubmatch(l.Text); code != nil {
		l.Code = code[1] + code[2]
	}
	return l, err
}

// secret is the next letter to an address that holds a link with a token; the
// notices between are left where they are.
func (p *postOffice) secret(to string) letter {
	p.t.Helper()
	return p.take(to, "with a link", func(l letter) bool {
		return len(l.Links) > 0 && strings.Contains(l.Links[0], "?token=")
	})
}

// notice is the next letter to an address with some words in its subject.
func (p *postOffice) notice(to, subject string) letter {
	p.t.Helper()
	return p.take(to, subject, func(l letter) bool { return strings.Contains(l.Subject, subject) })
}

// take waits for a letter and takes it out.
func (p *postOffice) take(to, what string, is func(letter) bool) letter {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		for i, l := range p.took {
			if l.To == to && is(l) {
				p.took = append(p.took[:i:i], p.took[i+1:]...)
				p.mu.Unlock()
				return l
			}
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Fatalf("no letter to %s %s among %+v", to, what, p.took)
	return letter{}
}
