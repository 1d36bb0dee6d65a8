package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"gatehouse/internal/ratelimit"
)

// logRefusedEvery keeps a flood of connections from becoming one of lines.
const logRefusedEvery = time.Minute

// connections bounds how many connections are open at once (rule 24; ASVS 5.0,
// 15.2.2). Each costs a descriptor, and when there is none left the server can
// neither accept anybody nor open its database. Who opens them and says nothing
// would otherwise have the whole server for as long as the idle time is renewed.
// So an eighth of the descriptors is not for connections, and one network has
// at most three quarters of the others. A trusted proxy stands for many people
// and is bound by the total alone.
type connections struct {
	net.Listener
	total, perNetwork int
	trusted           []netip.Prefix
	log               *slog.Logger
	now               func() time.Time
	waiting           *waiting

	mu       sync.Mutex
	open     int
	networks map[string]int
	logged   time.Time
}

// bounded is the listener with the bounds that the descriptors of this process
// allow. From the end of ctx on, when the server stops, it waits for nobody to
// speak.
func (r *Rooms) bounded(ctx context.Context, plain net.Listener) net.Listener {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return plain // a system without such a limit has nothing to run out of
	}
	total := int(min(limit.Cur, 1<<20)) / 8 * 7
	l := &connections{
		Listener: plain, total: total, perNetwork: total / 4 * 3, trusted: r.Config.TrustedProxies,
		log: r.Logger, now: r.Clock, waiting: newWaiting(headerTimeout), networks: map[string]int{},
	}
	context.AfterFunc(ctx, l.waiting.stop)
	go l.takeIn()
	return l
}

// Accept implements net.Listener.
func (l *connections) Accept() (net.Conn, error) { return l.waiting.next() }

// Close implements net.Listener.
func (l *connections) Close() error {
	l.waiting.close()
	return l.Listener.Close()
}

// takeIn accepts what comes, until the listener is closed. It closes at once
// what is too much: an answer would cost what is short.
func (l *connections) takeIn() {
	for {
		c, err := l.Listener.Accept()
		tcp, ok := c.(*net.TCPConn)
		if err != nil || !ok {
			if !l.waiting.hand(arrival{c, err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		key := l.networkOf(tcp)
		if !l.enter(key) {
			_ = tcp.Close()
			continue
		}
		l.waiting.take(&counted{TCPConn: tcp, leave: sync.OnceFunc(func() { l.leave(key) })}, tcp)
	}
}

// networkOf is "" for a trusted proxy.
func (l *connections) networkOf(c *net.TCPConn) string {
	peer, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	ip := peer.AddrPort().Addr().Unmap()
	for _, p := range l.trusted {
		if p.Contains(ip) {
			return ""
		}
	}
	return ratelimit.NetworkKey(ip)
}

func (l *connections) enter(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.total || key != "" && l.networks[key] >= l.perNetwork {
		if now := l.now(); now.Sub(l.logged) >= logRefusedEvery {
			l.logged = now
			l.log.Warn("connections are refused", "open", l.open, "limit", l.total, "network", key, "of_the_network", l.networks[key], "limit_of_a_network", l.perNetwork)
		}
		return false
	}
	l.open++
	if key != "" {
		l.networks[key]++
	}
	return true
}

func (l *connections) leave(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if key == "" {
		return
	}
	if l.networks[key]--; l.networks[key] == 0 {
		delete(l.networks, key) // networks that are gone cost nothing
	}
}

// counted is a connection that gives its place back once.
type counted struct {
	*net.TCPConn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}
