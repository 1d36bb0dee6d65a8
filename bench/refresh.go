package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A family is refused its 17th rotation within the retry window. With a window
// of a second, this many families carry 8,000 rotations a second.
const (
	familyCount  = 512
	refreshConns = 64
)

// lines are refresh families, each used by one connection at a time.
type lines struct{ tokens []string }

func families(p *proc, n int) (*lines, error) {
	l := lines{tokens: make([]string, n)}
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < n; i += 4 {
				t, err := signIn(p, "/api/v1/login", "username", benchEmail)
				if err != nil {
					errs <- err
					return
				}
				l.tokens[i] = t.Refresh
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
		return &l, nil
	}
}

// load rotates families as fast as answers come: each connection goes round
// its own families and shows the token that the last answer gave, as an honest
// client does. It speaks HTTP/1.1 by hand, as load does, so that the processors
// which it shares with the server go to the server.
func (l *lines) load(p *proc, d time.Duration) (sample, error) {
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	errs := make(chan error, refreshConns)
	before, err := cpuTime(p.pid())
	if err != nil {
		return sample{}, err
	}
	begin := time.Now()
	for c := range refreshConns {
		wg.Go(func() {
			took, err := l.turnRound(p, c, begin.Add(d))
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
			if err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	after, err := cpuTime(p.pid())
	if err != nil {
		return sample{}, err
	}
	select {
	case err := <-errs:
		return sample{}, err
	default:
	}
	n := float64(len(all))
	s := sample{perSecond: n / took.Seconds(), cpuMicros: float64((after - before).Microseconds()) / n}
	if slices.Sort(all); len(all) > 0 {
		s.p99 = all[len(all)*99/100]
	}
	return s, nil
}

// turnRound is one connection of load: every refreshConns-th family, from
// number first on.
func (l *lines) turnRound(p *proc, first int, until time.Time) (took []time.Duration, err error) {
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 16<<10)
	for i := first; time.Now().Before(until); i = (i + refreshConns) % len(l.tokens) {
		begin := time.Now()
		next, err := rotateOn(c, r, p, l.tokens[i])
		if err != nil {
			return took, err
		}
		l.tokens[i] = next
		took = append(took, time.Since(begin))
	}
	return took, nil
}

var refreshMember = []byte(`"refresh_token":"`)

func rotateOn(c net.Conn, r *bufio.Reader, p *proc, token string) (string, error) {
	if _, err := c.Write(post(p, "/api/v1/token/refresh", `{"refresh_token":"`+token+`"}`)(0)); err != nil {
		return "", err
	}
	status, answer, err := readAnswer(r)
	if err != nil {
		return "", err
	}
	_, rest, _ := bytes.Cut(answer, refreshMember)
	next, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok || status != http.StatusOK {
		return "", fmt.Errorf("refresh answered %d: %s", status, answer)
	}
	return string(next), nil
}

// rotate is one refresh of the set-up.
func rotate(p *proc, token string) (string, error) {
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return rotateOn(c, bufio.NewReader(c), p, token)
}
