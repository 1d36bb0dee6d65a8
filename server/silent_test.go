package server

import (
	"errors"
	"net"
	"testing"
	"time"
)

// held is a listener whose connections are handed over once they speak.
func held(t *testing.T, patience time.Duration) (l *connections, taken chan net.Conn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = &connections{Listener: plain, total: 8, perNetwork: 8, now: time.Now, networks: map[string]int{}, waiting: newWaiting(patience)}
	t.Cleanup(func() { l.Close() })
	go l.takeIn()
	taken = make(chan net.Conn, 8)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(taken)
				return
			}
			taken <- c
		}
	}()
	return l, taken
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// silent waits until n connections are held.
func silent(t *testing.T, l *connections, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		l.waiting.mu.Lock()
		held := len(l.waiting.silent)
		l.waiting.mu.Unlock()
		if held == n {
			return
		}
	}
	t.Fatalf("%d connections were never held", n)
}

// closed reports whether the server closed c, and did not only say nothing.
func closed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := c.Read(make([]byte, 1))
	var wait net.Error
	return err != nil && !(errors.As(err, &wait) && wait.Timeout())
}

func TestWhoSpeaksIsServedBeforeWhoCameFirstAndSaysNothing(t *testing.T) {
	l, taken := held(t, time.Minute)
	first, second := dial(t, l), dial(t, l)
	silent(t, l, 2)
	for _, c := range []net.Conn{second, first} {
		if _, err := c.Write([]byte("GET")); err != nil {
			t.Fatal(err)
		}
		got := <-taken
		said := make([]byte, 8)
		n, err := got.Read(said)
		if err != nil || string(said[:n]) != "GET" {
			t.Errorf("it was handed over with %q, %v: the first bytes were lost, or its deadline stayed", said[:n], err)
		}
		if got.RemoteAddr().String() != c.LocalAddr().String() {
			t.Error("another one was handed over than the one that spoke")
		}
	}
}

func TestWhoSaysNothingIsClosedAndGivesItsPlaceBack(t *testing.T) {
	l, taken := held(t, 50*time.Millisecond)
	if c := dial(t, l); !closed(c) {
		t.Error("a connection that says nothing stays")
	}
	silent(t, l, 0)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		open := l.open
		l.mu.Unlock()
		if open == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("its place was not given back")
		}
	}
	if len(taken) != 0 {
		t.Error("it was served")
	}
}

// A browser that opened a connection in advance, and a request whose bytes are
// on the way, are not failed by a stop.
func TestAStopHandsOverWhoHasNotSpokenYet(t *testing.T) {
	l, taken := held(t, time.Minute)
	early := dial(t, l)
	silent(t, l, 1)
	l.waiting.stop()
	late := dial(t, l)
	clients := map[string]net.Conn{early.LocalAddr().String(): early, late.LocalAddr().String(): late}
	for range 2 {
		got := <-taken
		c := clients[got.RemoteAddr().String()]
		if _, err := c.Write([]byte("GET")); err != nil {
			t.Fatal(err)
		}
		if n, err := got.Read(make([]byte, 8)); n != 3 || err != nil {
			t.Errorf("what it says is not read: %d bytes, %v", n, err)
		}
	}
}

func TestAListenerThatIsClosedHoldsNobody(t *testing.T) {
	l, taken := held(t, time.Minute)
	c := dial(t, l)
	silent(t, l, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !closed(c) {
		t.Error("a connection outlives its listener")
	}
	if _, more := <-taken; more {
		t.Error("a connection was handed over after the end")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept answers %v", err)
	}
}
