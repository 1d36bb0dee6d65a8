package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// watcher asks for /healthz in a process of its own, as a load balancer does.
// In the process of the crowd it would wait behind thousands of clients that
// want to dial in the same moment, and count that as the server's time.
type watcher struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	once sync.Once
	// The two slowest: over a connection that stays, and over a new one each time.
	slow [2]time.Duration
	err  error
}

func watch(p *proc) (*watcher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &watcher{cmd: exec.Command(self, "watch", p.Addr)}
	w.cmd.Stderr = os.Stderr
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(out)
	return w, w.cmd.Start()
}

// end stops the watch and returns its slowest answers.
func (w *watcher) end() ([2]time.Duration, error) {
	w.once.Do(func() {
		w.in.Close()
		if _, w.err = fmt.Fscan(w.out, &w.slow[0], &w.slow[1]); w.err != nil {
			w.err = fmt.Errorf("/healthz was not answered: %w", w.err)
		}
		_ = w.cmd.Wait()
	})
	return w.slow, w.err
}

// runWatch is "bench watch ADDR": until its input ends it asks fifty times a
// second, in turns over a connection that stays and over a new one.
func runWatch(addr string) error {
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	var slow [2]time.Duration
	kept, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		select {
		case <-ended:
			_, err := fmt.Println(int64(slow[0]), int64(slow[1]))
			return err
		case <-time.After(20 * time.Millisecond):
		}
		begin := time.Now()
		if n%2 == 0 {
			err = askHealth(kept)
		} else {
			err = askAnew(addr)
		}
		if err != nil {
			return err
		}
		slow[n%2] = max(slow[n%2], time.Since(begin))
	}
}

func askAnew(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	return askHealth(conn)
}

func askHealth(conn net.Conn) error {
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", conn.RemoteAddr()); err != nil {
		return err
	}
	h, err := skipBody(bufio.NewReader(conn))
	if err == nil && h.status != 200 {
		err = fmt.Errorf("/healthz answered %d", h.status)
	}
	return err
}
