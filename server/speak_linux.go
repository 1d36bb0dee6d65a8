package server

import (
	"net"
	"syscall"
)

// silentFor is for how many seconds the kernel keeps a connection that has sent
// nothing. Then it is handed over all the same, and the time for headers begins.
const silentFor = 1

// whenTheySpeak has connections handed over when their first bytes are there
// (tcp(7), TCP_DEFER_ACCEPT), because clients of HTTP speak first: one that is
// accepted is then served at once, and what opens connections and says nothing
// takes no memory of ours for that while.
func whenTheySpeak(l net.Listener) {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	// Without it connections are accepted earlier, and everything else holds.
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, silentFor)
	})
}
