package mail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

// postOffice is a real SMTP server that remembers what it got.
type postOffice struct {
	address string
	roots   *x509.CertPool
	refuse  func(to string) error // what RCPT answers; nil accepts
	until   time.Time             // the end of its certificate

	mu    sync.Mutex
	mails []received
}

type received struct {
	from, to, user string
	tls            bool
	body           string
}

// openPostOffice starts a server on this machine. secure is "starttls",
// "implicit" or "".
func openPostOffice(t *testing.T, secure string) *postOffice {
	t.Helper()
	p := &postOffice{}
	conf := p.certificate(t)
	server := smtp.NewServer(p)
	server.AllowInsecureAuth = true
	if secure == "starttls" {
		server.TLSConfig = conf
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = listener.Addr().String()
	if secure == "implicit" {
		listener = tls.NewListener(listener, conf)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

func (p *postOffice) certificate(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	p.until = cert.NotAfter
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, _ := x509.ParseCertificate(der)
	p.roots = x509.NewCertPool()
	p.roots.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (p *postOffice) got() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]received{}, p.mails...)
}

// NewSession implements smtp.Backend.
func (p *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &visit{office: p, conn: c}, nil
}

// visit is one conversation.
type visit struct {
	office *postOffice
	conn   *smtp.Conn
	now    received
	user   string
}

func (v *visit) AuthMechanisms() []string { return []string{sasl.Plain} }

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "hunter2" {
			return smtp.ErrAuthFailed
		}
		v.user = user
		return nil
	}), nil
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	_, secure := v.conn.TLSConnectionState()
	v.now = received{from: from, user: v.user, tls: secure}
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.now.to = to
	if v.office.refuse != nil {
		return v.office.refuse(to)
	}
	return nil
}

func (v *visit) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	v.now.body = string(body)
	v.office.mu.Lock()
	v.office.mails = append(v.office.mails, v.now)
	v.office.mu.Unlock()
	return err
}

func (*visit) Reset()        {}
func (*visit) Logout() error { return nil }

// sender is a mailer that sends to the office.
func sender(t *testing.T, db *database.DB, p *postOffice, scheme, user string) fixture {
	t.Helper()
	f := newFixture(t, db, func(d *Deps) {
		d.SMTPURL = scheme + "://" + user + p.address
		d.From = "Gatehouse <login@harbour.example>"
	})
	f.transport.tls.RootCAs = p.roots
	return f
}

func deliver(t *testing.T, f fixture) int {
	t.Helper()
	n, err := f.Deliver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAMailLeavesOnceAndItsBodyIsBlanked(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		p := openPostOffice(t, "starttls")
		f := sender(t, db, p, "smtp", "me:hunter2@")
		f.enqueue(confirm("Mara@münchen.example"))
		if n := deliver(t, f); n != 1 {
			t.Fatalf("%d left", n)
		}
		if n := deliver(t, f); n != 0 || len(p.got()) != 1 {
			t.Errorf("it left %d times", len(p.got()))
		}
		row, got := f.rows()[0], p.got()[0]
		if row.State != sent || row.Body != nil || row.SentAt.IsZero() || row.Attempts != 1 || row.LastError != "" {
			t.Errorf("%+v", row)
		}
		if got.from != "login@harbour.example" || got.to != "Mara@xn--mnchen-3ya.example" || got.user != "me" || !got.tls {
			t.Errorf("%+v", got)
		}
	})
}

func TestASentMailIsReadableByEveryProgram(t *testing.T) {
	p := openPostOffice(t, "implicit")
	f := sender(t, testkit.DB(t), p, "smtps", "")
	m := confirm("mara@harbour.example")
	m.Locale = "de"
	f.enqueue(m)
	deliver(t, f)
	msg, err := netmail.ReadMessage(strings.NewReader(p.got()[0].body))
	if err != nil {
		t.Fatal(err)
	}
	decode := new(mime.WordDecoder)
	subject, _ := decode.DecodeHeader(msg.Header.Get("Subject"))
	for name, want := range map[string]string{
		"From": `"Gatehouse" <login@harbour.example>`, "To": "<mara@harbour.example>",
		"Auto-Submitted": "auto-generated", "Content-Language": "de", "Date": "Fri, 02 Jan 2026 03:04:05 +0000",
		"Message-Id": "<" + f.rows()[0].ID.String() + "@harbour.example>", "X-Mailer": "", "User-Agent": "", "Bcc": "",
	} {
		if got := msg.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if subject != "418 207 ist dein Code für Gatehouse" {
		t.Error(subject)
	}
	kinds := parts(t, msg)
	if len(kinds) != 2 || !strings.Contains(kinds["text/plain"], "418 207") || !strings.Contains(kinds["text/html"], "Adresse bestätigen") {
		t.Errorf("%v", kinds)
	}
}

func parts(t *testing.T, msg *netmail.Message) map[string]string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	out, reader := map[string]string{}, multipart.NewReader(msg.Body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		out[kind] = string(body)
	}
}

func TestAMailThatIsPutOffIsTriedAgainLaterAndLaterForTwoDays(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		p := openPostOffice(t, "starttls")
		p.refuse = func(string) error { return &smtp.SMTPError{Code: 451, Message: "not now"} }
		f := sender(t, db, p, "smtp", "")
		f.enqueue(confirm("mara@harbour.example"))
		start, tries := f.clock.Now(), 0
		for f.rows()[0].State == queued && tries < 200 {
			deliver(t, f)
			tries++
			if n := deliver(t, f); n != 0 || f.rows()[0].Attempts != int64(tries) {
				t.Fatal("it was tried again at once")
			}
			if next := f.rows()[0].NextAt.Sub(f.clock.Now()); f.rows()[0].State == queued {
				if next < firstDelay || next > longestWait*5/4 {
					t.Fatalf("try %d: the next one is in %s", tries, next)
				}
				f.clock.Advance(next)
			}
		}
		row, after := f.rows()[0], f.clock.Now().Sub(start)
		if row.State != failed || row.Body == nil || !strings.HasPrefix(row.Answer, "451") || after < giveUpAfter || after > giveUpAfter+2*longestWait || tries < 30 || tries > 70 {
			t.Errorf("%s after %s and %d tries, last error %q", row.State, after, tries, row.LastError)
		}
	})
}

func TestAMailThatIsRefusedForGoodFailsAndTheNextStillLeaves(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		p := openPostOffice(t, "starttls")
		p.refuse = func(to string) error {
			if strings.HasPrefix(to, "gone") {
				return &smtp.SMTPError{Code: 550, Message: "no such person"}
			}
			return nil
		}
		f := sender(t, db, p, "smtp", "")
		f.enqueue(confirm("gone@harbour.example"))
		f.clock.Advance(time.Millisecond)
		f.enqueue(confirm("mara@harbour.example"))
		if n := deliver(t, f); n != 1 {
			t.Errorf("%d left", n)
		}
		rows := f.rows()
		if rows[0].State != failed || !strings.HasSuffix(rows[0].Answer, "no such person") || rows[0].Body == nil || !strings.Contains(rows[0].LastError, "550") || rows[1].State != sent {
			t.Errorf("%s %q %q, %s", rows[0].State, rows[0].LastError, rows[0].Answer, rows[1].State)
		}
	})
}

func TestAFaultOfTheServerFailsNoMail(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, of := range map[string]func(t *testing.T) fixture{
		"nobody answers": func(t *testing.T) fixture {
			return sender(t, testkit.DB(t), &postOffice{address: closed.Addr().String()}, "smtp", "")
		},
		"the password is wrong": func(t *testing.T) fixture {
			return sender(t, testkit.DB(t), openPostOffice(t, "starttls"), "smtp", "me:wrong@")
		},
		"the certificate is not trusted": func(t *testing.T) fixture {
			f := sender(t, testkit.DB(t), openPostOffice(t, "implicit"), "smtps", "")
			f.transport.tls.RootCAs = x509.NewCertPool()
			return f
		},
		"it offers no TLS": func(t *testing.T) fixture {
			f := sender(t, testkit.DB(t), openPostOffice(t, ""), "smtp", "")
			f.transport.server.plain = false
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := of(t)
			f.enqueue(confirm("mara@harbour.example"))
			f.clock.Advance(time.Millisecond)
			f.enqueue(confirm("jonas@harbour.example"))
			n, err := f.Deliver(t.Context())
			rows := f.rows()
			if n != 0 || !errors.Is(err, errServer) {
				t.Errorf("%d, %v", n, err)
			}
			if rows[0].State != queued || rows[0].Attempts != 1 || rows[0].LastError == "" || rows[1].Attempts != 0 {
				t.Errorf("%+v", rows)
			}
			if strings.Contains(rows[0].LastError, "wrong@") {
				t.Error("the password is in the table")
			}
		})
	}
}

func TestAPlainServerOnThisMachineIsGoodEnough(t *testing.T) {
	p := openPostOffice(t, "")
	f := sender(t, testkit.DB(t), p, "smtp", "")
	f.enqueue(confirm("mara@harbour.example"))
	if n := deliver(t, f); n != 1 || p.got()[0].tls {
		t.Errorf("%d left, %+v", n, p.got())
	}
}

func TestOfManyWorkersOnlyOneSendsAMail(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		p := openPostOffice(t, "starttls")
		f := sender(t, db, p, "smtp", "")
		for i := range 3 {
			f.enqueue(confirm(fmt.Sprintf("m%d@harbour.example", i)))
		}
		due := f.rows()
		won := testkit.Race(t, 32, func(i int) (bool, error) {
			row := due[i%3]
			return f.newWorker().claim(context.Background(), &row)
		})
		if won != 3 {
			t.Errorf("%d claims of 3 mails", won)
		}
	})
}

func TestAMailOfADeadWorkerIsSentByAnother(t *testing.T) {
	p := openPostOffice(t, "starttls")
	f := sender(t, testkit.DB(t), p, "smtp", "")
	f.enqueue(confirm("mara@harbour.example"))
	row := f.rows()[0]
	if mine, err := f.newWorker().claim(t.Context(), &row); !mine || err != nil {
		t.Fatal(mine, err)
	}
	if n := deliver(t, f); n != 0 {
		t.Error("a claimed mail was sent by another")
	}
	f.clock.Advance(claimFor)
	if n := deliver(t, f); n != 1 {
		t.Error("the mail is lost")
	}
}

func TestTheWorkerSendsAndStops(t *testing.T) {
	p := openPostOffice(t, "starttls")
	f := sender(t, testkit.DB(t), p, "smtp", "")
	f.enqueue(confirm("mara@harbour.example"))
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	var done sync.WaitGroup
	done.Go(func() { f.Run(ctx) })
	for len(p.got()) == 0 && ctx.Err() == nil {
		<-time.After(10 * time.Millisecond)
	}
	stop()
	done.Wait()
	if len(p.got()) != 1 || f.rows()[0].State != sent {
		t.Errorf("%d mails, %s", len(p.got()), f.rows()[0].State)
	}
}
