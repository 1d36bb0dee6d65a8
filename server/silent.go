package server

import (
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// arrival is what Accept answers.
type arrival struct {
	conn net.Conn
	err  error
}

// waiting holds connections that have said nothing yet. Clients of HTTP speak
// first, so that a connection is served once its first bytes are there: who opens
// thousands and says nothing (slow clients; ASVS 5.0, 15.2.2) has a tenth of the
// memory that a request takes, for as long as its headers may take. The kernel can
// hold them too (TCP_DEFER_ACCEPT), but it resets whoever it still holds when the
// listener is closed, and a stop must fail nobody.
type waiting struct {
	patience time.Duration
	spoken   chan arrival // in the order in which they spoke
	ended    chan struct{}
	end      func()

	mu       sync.Mutex
	silent   map[net.Conn]struct{}
	stopping bool
}

func newWaiting(patience time.Duration) *waiting {
	w := &waiting{patience: patience, spoken: make(chan arrival), ended: make(chan struct{}), silent: map[net.Conn]struct{}{}}
	w.end = sync.OnceFunc(func() { close(w.ended) })
	return w
}

// next gives out who has spoken and lets the one before go first: it is read,
// and refused if it must be, before the next one takes the memory of a request.
// Of thousands that come in one moment, who is connected already then waits for
// a few of them and not for all.
func (w *waiting) next() (net.Conn, error) {
	runtime.Gosched()
	select {
	case a := <-w.spoken:
		return a.conn, a.err
	case <-w.ended:
		return nil, net.ErrClosed
	}
}

// take hands over who has spoken already, while those behind wait in the kernel,
// where they cost nothing, and holds who has not.
func (w *waiting) take(c net.Conn, tcp *net.TCPConn) {
	if spoken, err := readable(tcp, false); err == nil && spoken {
		w.give(c)
		return
	}
	go func() {
		if w.hears(c, tcp) {
			w.give(c)
		} else {
			_ = c.Close()
		}
	}()
}

func (w *waiting) give(c net.Conn) {
	if !w.hand(arrival{conn: c}) {
		_ = c.Close()
	}
}

// hears waits until c speaks or the server stops, and reports whether it is to
// be served.
func (w *waiting) hears(c net.Conn, tcp *net.TCPConn) bool {
	if !w.enter(c) {
		return true
	}
	_, err := readable(tcp, true)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.silent, c)
	if err != nil && !w.stopping {
		return false
	}
	return c.SetReadDeadline(time.Time{}) == nil
}

// enter notes c as silent, unless the server stops and waits for nobody.
func (w *waiting) enter(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return false
	}
	w.silent[c] = struct{}{}
	_ = c.SetReadDeadline(time.Now().Add(w.patience)) // fails for what is closed, and so does the reading
	return true
}

// stop hands over those who have not spoken, and everybody who comes from now
// on: they are served if they speak while the server still waits for them.
func (w *waiting) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	for c := range w.silent {
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
}

// close ends the hand-over. Who was not taken any more is closed.
func (w *waiting) close() {
	w.end()
	w.stop()
}

func (w *waiting) hand(a arrival) bool {
	select {
	case w.spoken <- a:
		return true
	case <-w.ended:
		return false
	}
}

// readable reports whether there is something to read, the end of it included,
// and leaves it there. It waits for it if it is told to.
func readable(c *net.TCPConn, wait bool) (there bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	var first [1]byte
	err = raw.Read(func(fd uintptr) bool {
		_, _, failed := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK)
		for failed == syscall.EINTR {
			_, _, failed = syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK)
		}
		there = failed != syscall.EAGAIN
		return there || !wait
	})
	return there, err
}
