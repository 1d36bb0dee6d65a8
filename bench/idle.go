package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// idleConnections is how many keep-alive connections nobody uses.
const idleConnections = 10_000

// measureIdle: ten thousand idle connections on a server of a million users,
// with some work beside.
func measureIdle(b *bench) error {
	first, err := b.populated("idle", 1_000_000)
	if err != nil {
		return err
	}
	defer first.stop()
	cookie, err := signedInCookie(first)
	if err != nil {
		return err
	}
	rest, _, err := memory(first.pid())
	if err != nil {
		return err
	}
	clients, err := openIdle(first)
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	if err != nil {
		return err
	}
	if _, err := load(first.Addr, first.pid(), conns, b.d, get(first, "/account/profile", "Cookie: "+cookie)); err != nil {
		return err
	}
	if _, err := load(first.Addr, first.pid(), calmClients, b.d, post(first, "/api/v1/login",
		fmt.Sprintf(`{"username":%q,"password":%q}`, benchEmail, benchPassword))); err != nil {
		return err
	}
	now, peak, err := memory(first.pid())
	if err != nil {
		return err
	}
	alive := 0
	for _, c := range clients {
		if h, err := c.do(http.MethodGet, "/healthz", "", ""); err == nil && h.status == http.StatusOK {
			alive++
		}
	}
	b.add(newRow("10,000 idle connections, 1,000,000 users: memory at most, MB", []float64{peak},
		fmt.Sprintf("%.0f MB now, %.0f MB before; %d connections still answered", now, rest, alive),
		"at most 512", func(m float64) bool { return m <= 512 && alive == idleConnections }))
	return nil
}

// openIdle opens the connections; each has had one answer.
func openIdle(p *proc) ([]*client, error) {
	clients := make([]*client, idleConnections)
	errs := make(chan error, 1)
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for i := worker; i < idleConnections; i += 16 {
				clients[i] = newClient(p, i)
				if _, err := clients[i].do(http.MethodGet, "/healthz", "", ""); err != nil {
					select {
					case errs <- fmt.Errorf("connection %d: %w", i, err):
					default:
					}
					return
				}
			}
		})
	}
	all.Wait()
	time.Sleep(time.Second)
	select {
	case err := <-errs:
		return nil, err
	default:
		return clients, nil
	}
}
