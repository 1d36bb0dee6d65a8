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
	slow [len(probes)]time.Duration
	err  error
}

// probes are the ways in which it is asked for.
var probes = [...]string{"over a connection that stays", "over new connections", "over new connections to METRICS_ADDR"}

func watch(p *proc, metrics string) (*watcher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &watcher{cmd: exec.Command(self, "watch", p.Addr, metrics)}
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
func (w *watcher) end() ([len(probes)]time.Duration, error) {
	w.once.Do(func() {
		w.in.Close()
		for i := range w.slow {
			if _, w.err = fmt.Fscan(w.out, &w.slow[i]); w.err != nil {
				w.err = fmt.Errorf("/healthz was not answered: %w", w.err)
				break
			}
		}
		_ = w.cmd.Wait()
	})
	return w.slow, w.err
}

// runWatch is "bench watch ADDR METRICS": until its input ends it asks fifty times
// a second, in each of the ways by turns.
func runWatch(addr, metrics string) error {
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	kept, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	ways := [len(probes)]func() error{
		func() error { return askHealth(kept) }, func() error { return askAnew(addr) }, func() error { return askAnew(metrics) },
	}
	var slow [len(probes)]time.Duration
	for n := 0; ; n = (n + 1) % len(ways) {
		select {
		case <-ended:
			for _, d := range slow {
				fmt.Println(int64(d))
			}
			return nil
		case <-time.After(20 * time.Millisecond):
		}
		begin := time.Now()
		if err := ways[n](); err != nil {
			return err
		}
		slow[n] = max(slow[n], time.Since(begin))
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
