package proofs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the product, built as the README says.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv(envService) != "" {
		os.Exit(serveAsService())
	}
	if path := os.Getenv(envIntegrity); path != "" {
		os.Exit(printIntegrity(path))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gatehouse-proofs-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "gatehouse")
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w", "-o", binary, ".")
		cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// node is one running process of the product.
type node struct {
	t    *testing.T
	name string
	port int
	env  []string
	dir  string
	in   []string // a command that runs the process in surroundings of its own

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	out    *output
}

// output keeps what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (n *node) url() string { return fmt.Sprintf("http://127.0.0.1:%d", n.port) }

// launch starts the process and does not wait for it.
func (n *node) launch() {
	n.t.Helper()
	out := &output{}
	line := append(n.in[:len(n.in):len(n.in)], binary)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = n.dir, n.env, out, out
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cmd, n.exited, n.out = cmd, exited, out
}

// ready waits until the node says that it is.
func (n *node) ready() {
	n.t.Helper()
	until(n.t, time.Minute, func() error {
		res, err := http.Get(n.url() + "/readyz")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %d; it says %s", n.name, res.StatusCode, n.out)
		}
		return nil
	})
}

// signal sends a signal to this process alone.
func (n *node) signal(s syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(s)
	}
}

// kill ends the process as a crash does (kill -9).
func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	<-n.exited
}

// stop ends it cleanly, whatever state it is in.
func (n *node) stop() {
	n.mu.Lock()
	exited := n.exited
	n.mu.Unlock()
	if exited == nil {
		return
	}
	n.signal(syscall.SIGCONT)
	n.signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(20 * time.Second):
		n.signal(syscall.SIGKILL)
		<-exited
	}
}

// until tries until it works, for at most d.
func until(t testing.TB, d time.Duration, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", d, err)
		}
	}
}

// web is the client of all requests to nodes; nothing is waited for long,
// because a node may be dead or stopped.
var web = &http.Client{
	Transport: &http.Transport{MaxIdleConnsPerHost: 128, DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext},
	Timeout:   45 * time.Second,
}

// ask sends one request to a node under the public address of all of them.
func (f *fleet) ask(ctx context.Context, n *node, method, path, bearer string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, n.url()+path, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Host = f.host
	req.Header.Set("Authorization", "Bearer "+bearer)
	res, err := web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

var errAccepted = errors.New("accepted")

// refused is nil when the node refuses the token because it is over. Other
// answers than that and "accepted" are errors too.
func (f *fleet) refused(ctx context.Context, n *node, token string) error {
	status, body, err := f.ask(ctx, n, http.MethodGet, "/auth", token)
	switch {
	case err != nil:
		return err
	case status == http.StatusOK:
		return errAccepted
	case status == http.StatusUnauthorized && strings.Contains(string(body), `"revoked"`):
		return nil
	}
	return fmt.Errorf("%s answers %d: %s", n.name, status, body)
}

// process is the id of the process, or 0 when it has ended.
func (n *node) process() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.exited:
		return 0
	default:
		return n.cmd.Process.Pid
	}
}
