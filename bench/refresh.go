package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
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
// client does.
func (l *lines) load(p *proc, d time.Duration) (sample, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: refreshConns}}
	defer client.CloseIdleConnections()
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, refreshConns)
	before, err := cpuTime(p.pid())
	if err != nil {
		return sample{}, err
	}
	begin := time.Now()
	for c := range refreshConns {
		wg.Go(func() {
			for i := c; time.Since(begin) < d; i = (i + refreshConns) % len(l.tokens) {
				next, err := rotate(client, p, l.tokens[i])
				if err != nil {
					errs <- err
					return
				}
				l.tokens[i] = next
				done.Add(1)
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
	n := float64(done.Load())
	return sample{perSecond: n / took.Seconds(), cpuMicros: float64((after - before).Microseconds()) / n}, nil
}

func rotate(client *http.Client, p *proc, token string) (string, error) {
	body, err := json.Marshal(map[string]string{"refresh_token": token})
	if err != nil {
		return "", err
	}
	res, err := client.Post("http://"+p.Addr+"/api/v1/token/refresh", "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var t tokenAnswer
	if err := json.Unmarshal(answer, &t); err != nil || t.Refresh == "" {
		return "", fmt.Errorf("refresh answered %d: %s", res.StatusCode, answer)
	}
	return t.Refresh, nil
}
