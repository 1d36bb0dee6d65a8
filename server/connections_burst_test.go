package server

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// burst opens n connections that have sent their request.
func burst(t *testing.T, l net.Listener, n int) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte("request")); err != nil {
			t.Fatal(err)
		}
	}
}

// With one processor the figure is the same every time: without the rule all
// connections are accepted before the first of them is served.
func TestABurstIsServedAsItIsAccepted(t *testing.T) {
	const n = 200
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &connections{Listener: plain, total: 2 * n, perNetwork: 2 * n, now: time.Now, networks: map[string]int{}, waiting: newWaiting(time.Minute)}
	defer l.Close()
	burst(t, l, n)
	go l.takeIn()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var open, most atomic.Int64
	done := make(chan struct{}, n)
	for range n {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		most.Store(max(most.Load(), open.Add(1)))
		go func() {
			_, _ = c.Read(make([]byte, 16))
			_ = c.Close()
			open.Add(-1)
			done <- struct{}{}
		}()
	}
	for range n {
		<-done
	}
	if most.Load() > n/10 {
		t.Errorf("%d of %d connections were open at once", most.Load(), n)
	}
}
