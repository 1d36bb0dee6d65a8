package proofs

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mariadb is a database server of the proof's own, which it may kill, stop and
// slow down. Nodes reach it through a socket of ours, which can delay.
type mariadb struct {
	t      *testing.T
	dir    string
	socket string // the server's own

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	out    *output
}

// startMariaDB makes a server with stock settings and an empty database.
func startMariaDB(t *testing.T) *mariadb {
	t.Helper()
	out, err := exec.Command("sh", "../../internal/testkit/mariadb.sh", "start").Output()
	if err != nil {
		t.Fatalf("mariadb.sh: %v", err)
	}
	dir, _, _ := strings.Cut(string(out), " ")
	m := &mariadb{t: t, dir: dir, socket: filepath.Join(dir, "sock")}
	// From here on it is a child of this process, so that it is known when it
	// has ended.
	m.signalFile("started", syscall.SIGTERM)
	m.launch()
	t.Cleanup(func() {
		m.signal(syscall.SIGCONT)
		m.kill()
		os.RemoveAll(dir)
	})
	m.exec("CREATE DATABASE proof")
	return m
}

// signalFile ends the process that mariadb.sh started and waits for its end.
func (m *mariadb) signalFile(name string, s syscall.Signal) {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		m.t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		m.t.Fatal(err)
	}
	_ = syscall.Kill(pid, s)
	until(m.t, 30*time.Second, func() error {
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !bytes.Contains(state, []byte(") Z ")) {
			return fmt.Errorf("mariadbd does not end")
		}
		return nil
	})
}

// launch starts the server and waits until it answers.
func (m *mariadb) launch() {
	m.t.Helper()
	program, err := exec.LookPath("mariadbd")
	if err != nil {
		program = "/usr/sbin/mariadbd"
	}
	args := []string{"--no-defaults", "--datadir=" + m.dir + "/data", "--socket=" + m.socket, "--skip-networking", "--pid-file=" + m.dir + "/pid"}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	os.Remove(m.socket)
	out := &output{}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	m.mu.Lock()
	m.cmd, m.exited, m.out = cmd, exited, out
	m.mu.Unlock()
	until(m.t, time.Minute, func() error {
		pool, err := sql.Open("mysql", m.dsn(m.socket, ""))
		if err != nil {
			return err
		}
		defer pool.Close()
		if err := pool.Ping(); err != nil {
			return fmt.Errorf("%w; mariadbd says %s", err, out)
		}
		return nil
	})
}

func (m *mariadb) signal(s syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.cmd.Process.Signal(s)
}

// kill ends the server as a crash does, stop as an operator does.
func (m *mariadb) kill() { m.signal(syscall.SIGKILL); <-m.exited }
func (m *mariadb) stop() { m.signal(syscall.SIGTERM); <-m.exited }

func (m *mariadb) dsn(socket, database string) string { return "root@unix(" + socket + ")/" + database }

// url is what a node connects to: the server's own socket, or a proxy's.
func (m *mariadb) url(socket string) string { return "mysql://" + m.dsn(socket, "proof") }

// exec runs a statement as the operator of the database.
func (m *mariadb) exec(statement string) {
	m.t.Helper()
	pool, err := sql.Open("mysql", m.dsn(m.socket, ""))
	if err != nil {
		m.t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(statement); err != nil {
		m.t.Fatal(err)
	}
}

// wire is a proxy between nodes and their database that can be slow.
type wire struct {
	socket string
	to     string

	mu    sync.Mutex
	delay time.Duration
	open  map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	dir, err := os.MkdirTemp("", "wire") // short: a socket address is
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{socket: filepath.Join(dir, "s"), to: to, open: map[net.Conn]bool{}}
	l, err := net.Listen("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		for c := range w.open {
			c.Close()
		}
		os.RemoveAll(dir)
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(c)
		}
	}()
	return w
}

// slow delays every answer of the database by d.
func (w *wire) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

func (w *wire) keep(c net.Conn, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if open {
		w.open[c] = true
	} else {
		delete(w.open, c)
	}
}

func (w *wire) pass(c net.Conn) {
	w.keep(c, true)
	defer w.keep(c, false)
	defer c.Close()
	server, err := net.Dial("unix", w.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, c)
		server.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		w.mu.Lock()
		d := w.delay
		w.mu.Unlock()
		if d > 0 {
			time.Sleep(d)
		}
		if _, failed := c.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}
