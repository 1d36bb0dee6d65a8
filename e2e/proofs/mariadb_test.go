package proofs

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
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
	base := ""
	if testkit.HasRoom("/dev/shm", 2<<30) {
		base = "/dev/shm" // many tables are made, and each costs several flushes of the disk
	}
	dir, err := os.MkdirTemp(base, "gatehouse-mariadb-")
	if err != nil {
		t.Fatal(err)
	}
	m := &mariadb{t: t, dir: dir, socket: filepath.Join(dir, "sock")}
	args := []string{"--no-defaults", "--datadir=" + dir + "/data", "--auth-root-authentication-method=normal", "--skip-test-db"}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	if out, err := exec.Command("mariadb-install-db", args...).CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v: %s", err, out)
	}
	m.launch()
	t.Cleanup(func() {
		m.signal(syscall.SIGCONT)
		m.kill()
		os.RemoveAll(dir)
	})
	m.exec("CREATE DATABASE proof")
	// Nodes come as a user who, unlike root, has to respect read_only and the
	// number of connections.
	m.exec("CREATE USER gate@localhost IDENTIFIED BY ''")
	m.exec("GRANT ALL ON proof.* TO gate@localhost")
	m.exec("CREATE USER hog@localhost IDENTIFIED BY ''")
	return m
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
		pool, err := sql.Open("mysql", "root@unix("+m.socket+")/")
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

// url is what a node connects to: the server's own socket, or a proxy's.
func (m *mariadb) url(socket string) string { return "mysql://gate@unix(" + socket + ")/proof" }

// exec runs a statement as the operator of the database.
func (m *mariadb) exec(statement string) {
	m.t.Helper()
	pool, err := sql.Open("mysql", "root@unix("+m.socket+")/")
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
