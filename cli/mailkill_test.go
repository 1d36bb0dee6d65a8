package cli_test

import (
	"context"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"gorm.io/gorm"

	"gatehouse/cli"
	"gatehouse/config"
	"gatehouse/internal/testkit"
	"gatehouse/mail"
	"gatehouse/server"
)

// asProgram makes this test binary the program itself, so that a test has a
// process of its own to kill.
const asProgram = "GATEHOUSE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		_ = os.Unsetenv(asProgram)
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// letterbox is an SMTP server that counts what it took, by recipient.
type letterbox struct {
	address string
	mu      sync.Mutex
	ids     map[string][]string // the Message-IDs that each recipient got
	total   int
	at      func(total int)
	first   time.Time
	last    time.Time
}

func openLetterbox(t *testing.T) *letterbox {
	t.Helper()
	b := &letterbox{ids: map[string][]string{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.address = l.Addr().String()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &visit{box: b}, nil }))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return b
}

type visit struct {
	box *letterbox
	to  string
}

func (v *visit) Mail(string, *smtp.MailOptions) error      { return nil }
func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error { v.to = to; return nil }
func (v *visit) Reset()                                    {}
func (v *visit) Logout() error                             { return nil }
func (v *visit) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, m.Body)
	b := v.box
	b.mu.Lock()
	if b.total++; b.total == 1 {
		b.first = time.Now()
	}
	b.last = time.Now()
	b.ids[v.to] = append(b.ids[v.to], m.Header.Get("Message-Id"))
	total, at := b.total, b.at
	b.mu.Unlock()
	if at != nil {
		at(total)
	}
	return nil
}

func (b *letterbox) people() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ids)
}

// program starts the real program as a process.
func program(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir, cmd.Env = dir, append(env, asProgram+"=1")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestAKillInTheMiddleOfAThousandMailsLosesNone kills the program while it is
// sending and starts it again. Every mail arrives; at most the one that was in
// flight arrives twice, and then as the same mail.
func TestAKillInTheMiddleOfAThousandMailsLosesNone(t *testing.T) {
	const mails, killAt = 1000, 437
	testkit.EachURL(t, func(t *testing.T, url string) {
		box, dir := openLetterbox(t), t.TempDir()
		c := config.Config{
			AppURL: "http://localhost:5000", ListenAddr: freeAddress(t), DataDir: dir, DatabaseURL: config.Secret(url), LogLevel: "error",
			SecretKey: "c4f1d2a95be07386c4f1d2a95be0738601aa5e7790b3d64f8812e3c7f5a90b6d", SigningAlg: "ES256", KeyRotationEvery: 720 * time.Hour,
			SMTPURL: config.Secret("smtp://" + box.address), MailFrom: "login@harbour.example",
		}
		queueMails(t, c, mails)
		env := []string{
			"PATH=" + os.Getenv("PATH"), "LISTEN_ADDR=" + c.ListenAddr, "APP_URL=" + c.AppURL, "DATA_DIR=" + dir, "DATABASE_URL=" + url,
			"SECRET_KEY=" + c.SecretKey.Reveal(), "SMTP_URL=" + c.SMTPURL.Reveal(), "MAIL_FROM=" + c.MailFrom, "LOG_LEVEL=error",
		}
		killed := make(chan struct{})
		started := make(chan *exec.Cmd, 1)
		box.mu.Lock()
		box.at = func(total int) {
			if total == killAt { // the server has the mail, and its sender never hears of it
				first := <-started
				_ = first.Process.Kill()
				_ = first.Wait()
				close(killed)
			}
		}
		box.mu.Unlock()
		started <- program(t, dir, env, "serve")
		<-killed
		if n := box.people(); n < killAt-1 || n >= mails {
			t.Fatalf("it was killed after %d mails", n)
		}
		box.mu.Lock()
		box.at, box.total = nil, 0
		box.mu.Unlock()
		program(t, dir, env, "serve")
		await(t, "the other mails", func() bool { return box.people() == mails })
		box.mu.Lock()
		t.Logf("%.0f mails a second", float64(box.total-1)/box.last.Sub(box.first).Seconds())
		box.mu.Unlock()
		timeForTheClaimed(t, c)
		await(t, "an empty queue", func() bool { return waiting(t, c) == 0 })
		checkArrived(t, box, mails)
	})
}

func checkArrived(t *testing.T, box *letterbox, mails int) {
	t.Helper()
	box.mu.Lock()
	defer box.mu.Unlock()
	twice := 0
	for to, ids := range box.ids {
		for _, id := range ids[1:] {
			if twice++; id != ids[0] || id == "" {
				t.Errorf("%s got two mails, %v", to, ids)
			}
		}
	}
	if len(box.ids) != mails || twice != 1 {
		t.Errorf("%d of %d people got their mail, %d mails came twice", len(box.ids), mails, twice)
	}
}

func rooms(t *testing.T, c config.Config) *server.Rooms {
	t.Helper()
	r, err := server.OpenRooms(t.Context(), c, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func queueMails(t *testing.T, c config.Config, n int) {
	t.Helper()
	r := rooms(t, c)
	defer r.Close()
	err := r.DB.Write(t.Context(), func(tx *gorm.DB) error {
		for i := range n {
			m := mail.Message{To: fmt.Sprintf("m%04d@harbour.example", i), Purpose: mail.VerifyEmail, Code: "418207"}
			if err := r.Mail.Enqueue(tx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// timeForTheClaimed lets the time pass that a mail of a dead sender waits: the
// program has no clock to be moved from outside.
func timeForTheClaimed(t *testing.T, c config.Config) {
	t.Helper()
	r := rooms(t, c)
	defer r.Close()
	var left int64
	if err := r.DB.Read(t.Context()).Table("mail_outbox").Where("state = ?", "queued").Count(&left).Error; err != nil || left > 1 {
		t.Fatalf("%d mails are claimed, %v", left, err)
	}
	if _, err := r.DB.Exec(t.Context(), "UPDATE mail_outbox SET next_at = 0 WHERE state = 'queued'"); err != nil {
		t.Fatal(err)
	}
}

func waiting(t *testing.T, c config.Config) int64 {
	t.Helper()
	r := rooms(t, c)
	defer r.Close()
	n, _, err := r.Mail.Queue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs a command as a process and returns what it printed and its code.
func run(t *testing.T, dir string, env []string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir, cmd.Env = dir, append(env, asProgram+"=1", "PATH="+os.Getenv("PATH"))
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func TestTheLogOfMailsIsReadAndRetriedFromTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	env := []string{"SMTP_URL=smtp://localhost:1", "MAIL_FROM=login@harbour.example", "LOG_LEVEL=error"}
	c := config.Config{AppURL: "http://localhost:5000", ListenAddr: "127.0.0.1:5000", DataDir: filepath.Join(dir, "data"), LogLevel: "error",
		DatabaseURL: config.Secret("sqlite:" + filepath.Join(dir, "data", "gatehouse.db")), SigningAlg: "ES256", KeyRotationEvery: time.Hour,
		SMTPURL: "smtp://localhost:1", MailFrom: "login@harbour.example"}
	queueMails(t, c, 2)
	r := rooms(t, c)
	if _, err := r.DB.Exec(t.Context(), "UPDATE mail_outbox SET state = 'failed', answer = '550 no such person' WHERE recipient LIKE 'm0001%'"); err != nil {
		t.Fatal(err)
	}
	list, err := r.Mail.List(t.Context(), "failed", 1)
	_ = r.Close()
	if err != nil || len(list) != 1 {
		t.Fatal(err, list)
	}
	id := list[0].ID
	for _, step := range []struct {
		args string
		want string
		code int
	}{
		{"mail list", "m0000@harbour.example", 0},
		{"mail list --state failed --json", `"answer":"550 no such person"`, 0},
		{"mail list --state lost", "unknown", 2},
		{"mail list --limit 0", "--limit", 2},
		{"mail show " + id, "550 no such person", 0},
		{"mail show 1", "not the id", 2},
		{"mail show 01a208e4-b3fe-7902-b434-927203ec6fa4", "no such mail", 1},
		{"mail retry", "needs the id", 2},
		{"mail retry " + id + " --failed", "needs the id", 2},
		{"mail retry " + id, "queued again", 0},
		{"mail retry " + id, "only a failed one", 1},
		{"mail retry --failed", "0 mails", 0},
	} {
		out, code := run(t, dir, env, strings.Fields(step.args)...)
		if code != step.code || !strings.Contains(out, step.want) || strings.Contains(out, "418") {
			t.Errorf("%s: %d\n%s", step.args, code, out)
		}
	}
	if out, code := run(t, dir, env, "doctor"); code != 1 || !strings.Contains(out, "fail  smtp") {
		t.Errorf("doctor: %d\n%s", code, out)
	}
}
