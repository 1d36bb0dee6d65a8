package proofs

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startHAProxy runs haproxy with a configuration until the test ends. It is
// there (internal/testkit/install.sh), or the proof did not run and fails.
func startHAProxy(t *testing.T, lines ...string) {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy"
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &output{}
	cmd := exec.Command(program, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy says:\n%s", out)
		}
	})
}

// inFront is a proxy before all nodes, as docs/operations.md describes it, and
// returns its address.
func (f *fleet) inFront() string {
	f.t.Helper()
	port := freePort(f.t)
	lines := []string{
		"defaults", " mode http", " timeout connect 2s", " timeout client 60s", " timeout server 60s", " retries 3", " option redispatch 1",
		"frontend in", fmt.Sprintf(" bind 127.0.0.1:%d", port), " default_backend nodes",
		"backend nodes", " balance roundrobin", " option httpchk GET /readyz", " http-check expect status 200",
		" timeout check 5s", " default-server check inter 200ms fall 2 rise 2",
	}
	for i, n := range f.nodes {
		lines = append(lines, fmt.Sprintf(" server node%d 127.0.0.1:%d", i+1, n.port))
	}
	startHAProxy(f.t, lines...)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	until(f.t, 20*time.Second, func() error {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return c.Close()
	})
	return "http://" + address
}
