package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// binary is the product, built once as the README says.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gatehouse-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "gatehouse")
		// As the Dockerfile builds it: static, so that it runs from scratch.
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w", "-o", binary, ".")
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// server is one running process of the product.
type server struct {
	t    *testing.T
	url  string // as a browser opens it
	host string // what the Host header says, when it is another node's address
	port int
	data string
	env  []string
	cmd  *exec.Cmd
	out  printed
	// program is the product; "" is as it was built for all tests.
	program string
	// post takes the mails; nil is the development inbox.
	post *postOffice
}

// printed names the file that a process writes to. The file is handed over as it is: what
// goes through a pipe may come later than the answer to a request that was sent
// after it was printed.
type printed string

// String is what was printed so far.
func (p printed) String() string {
	text, err := os.ReadFile(string(p))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// eachDatabase runs a test on a fresh SQLite and on a fresh MariaDB database.
func eachDatabase(t *testing.T, run func(t *testing.T, env []string)) {
	t.Run("sqlite", func(t *testing.T) { run(t, nil) })
	dsn := os.Getenv("GATEHOUSE_TEST_MYSQL")
	if dsn == "" {
		return // make test always sets it
	}
	t.Run("mariadb", func(t *testing.T) { run(t, mariaDB(t, dsn)) })
}

const testSecret = "SECRET_KEY=5a0c9be2f17d4386a5b4c3d2e1f00918273645546372819aabbccddeeff01234"

func mariaDB(t *testing.T, dsn string) []string {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("e2e_%d", time.Now().UnixNano())
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP DATABASE " + name); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	return []string{"DATABASE_URL=mysql://" + strings.TrimSuffix(dsn, "/") + "/" + name, testSecret}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startServer starts the product in an empty folder and waits for readiness.
func startServer(t *testing.T, env ...string) *server {
	t.Helper()
	s := newServer(t, env...)
	s.start()
	t.Cleanup(s.stop)
	return s
}

func newServer(t *testing.T, env ...string) *server {
	t.Helper()
	port := freePort(t)
	return &server{t: t, port: port, url: fmt.Sprintf("http://localhost:%d", port), data: t.TempDir(), env: env}
}

// startNode starts a second node that answers for the first one's address, as
// it would behind a proxy.
func (s *server) startNode() *server {
	s.t.Helper()
	_, host, _ := strings.Cut(s.url, "//")
	n := startServer(s.t, append(append([]string{}, s.env...), "APP_URL="+s.url)...)
	n.host = host
	return n
}

// environ is the environment of the process: nothing of the machine's but the path.
func (s *server) environ() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.data,
		fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", s.port), "DATA_DIR=" + filepath.Join(s.data, "data"),
	}, s.env...)
}

func (s *server) binary() string {
	if s.program != "" {
		return s.program
	}
	return binary
}

func (s *server) start() {
	s.t.Helper()
	file, err := os.CreateTemp(s.t.TempDir(), "printed")
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	s.out = printed(file.Name())
	s.cmd = exec.Command(s.binary())
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = s.data, s.environ(), file, file
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		res, err := http.Get(s.url + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("the server was not ready within 60 s:\n%s", s.out)
}

func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			s.t.Errorf("the server stopped with %v:\n%s", err, s.out)
		}
	case <-time.After(15 * time.Second):
		_ = s.cmd.Process.Kill()
		s.t.Errorf("the server did not stop within 15 s:\n%s", s.out)
	}
	s.cmd = nil
}

// command runs a command of the product beside the server.
func (s *server) command(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary(), args...)
	cmd.Dir, cmd.Env, cmd.Stdin = s.data, s.environ(), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var setupLink = regexp.MustCompile(`http\S+/setup\?token=\S+`)

// setupURL is the link that the start printed.
func (s *server) setupURL() string {
	s.t.Helper()
	link := setupLink.FindString(s.out.String())
	if link == "" {
		s.t.Fatalf("no set-up link was printed:\n%s", s.out)
	}
	return link
}

// letter is one mail of the development inbox.
type letter struct {
	To, Subject, Purpose, Text, Code string
	Links                            []string
}

// newest is the newest mail to an address, and over SMTP the next one that has
// a link to press.
func (s *server) newest(to string) letter {
	s.t.Helper()
	if s.post != nil {
		return s.post.secret(to)
	}
	var inbox struct{ Messages []letter }
	status, body := s.call(http.MethodGet, "/dev/inbox.json", "", nil)
	if status != http.StatusOK {
		s.t.Fatalf("the inbox answered %d: %s", status, body)
	}
	if err := json.Unmarshal(body, &inbox); err != nil {
		s.t.Fatal(err)
	}
	for _, m := range inbox.Messages {
		if m.To == to {
			return m
		}
	}
	s.t.Fatalf("no mail to %s among %d", to, len(inbox.Messages))
	return letter{}
}

// call is one JSON request.
func (s *server) call(method, path, bearer string, body any) (int, []byte) {
	s.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, s.url+path, r)
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.host != "" {
		req.Host = s.host
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, b
}
