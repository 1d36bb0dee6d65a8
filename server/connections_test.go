package server

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// keeper accepts for as long as the test runs and keeps what it gets.
func keeper(t *testing.T, trusted ...netip.Prefix) (l *connections, log *strings.Builder, kept chan net.Conn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log = &strings.Builder{}
	l = &connections{
		Listener: plain, total: 8, perNetwork: 4, trusted: trusted, log: slog.New(slog.NewTextHandler(log, nil)),
		now: func() time.Time { return time.Unix(1_800_000_000, 0) }, networks: map[string]int{}, waiting: newWaiting(time.Minute),
	}
	t.Cleanup(func() { l.Close() })
	go l.takeIn()
	kept = make(chan net.Conn, 64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("in"))
			kept <- c
		}
	}()
	return l, log, kept
}

// enters reports whether a new connection is let in.
func enters(t *testing.T, l *connections) bool {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_, _ = c.Write([]byte("a request"))
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, _ := c.Read(make([]byte, 2))
	return n == 2
}

func TestOneNetworkCannotHaveAllConnections(t *testing.T) {
	l, log, kept := keeper(t)
	for i := range 6 {
		if got := enters(t, l); got != (i < 4) {
			t.Fatalf("connection %d is let in: %v", i+1, got)
		}
	}
	l.mu.Lock() // it logs and counts under this
	lines := strings.Count(log.String(), "connections are refused")
	l.mu.Unlock()
	if lines != 1 {
		t.Errorf("%d lines for two refusals of one minute", lines)
	}
	// What is closed gives its place back once, however often it is closed.
	c := <-kept
	_, _ = c.Close(), c.Close()
	if !enters(t, l) || enters(t, l) {
		t.Error("a place that was given back is not there once")
	}
	for range 4 {
		_ = (<-kept).Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.networks) != 0 || l.open != 0 {
		t.Errorf("%v networks, %d connections are left", l.networks, l.open)
	}
}

func TestATrustedProxyIsBoundByTheTotalAlone(t *testing.T) {
	l, _, _ := keeper(t, netip.MustParsePrefix("127.0.0.0/8"))
	for i := range 10 {
		if got := enters(t, l); got != (i < 8) {
			t.Fatalf("connection %d is let in: %v", i+1, got)
		}
	}
}
