package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// soakWorkers are clients that each do what people and programs do in a day.
const soakWorkers = 8

// soakPoint is what the server took at one moment.
type soakPoint struct {
	at                              time.Duration
	memory, goroutines, descriptors float64
}

// measureSoak: a mixed load for as long as -soak says. After a sixth of it, in
// which caches fill, memory may grow by a megabyte an hour, and goroutines and
// descriptors stay where they are.
func measureSoak(b *bench) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	metrics := fmt.Sprintf("127.0.0.1:%d", port)
	gh, err := b.crowd("soak", "METRICS_ADDR="+metrics, "REFRESH_RETRY_WINDOW=1s")
	if err != nil {
		return err
	}
	defer gh.stop()
	stop := make(chan struct{})
	var done, failed atomic.Int64
	var strange atomic.Pointer[string]
	var all sync.WaitGroup
	for i := range soakWorkers {
		all.Go(func() {
			soak(gh, i, stop, func(what string) {
				done.Add(1)
				if what != "" {
					failed.Add(1)
					strange.CompareAndSwap(nil, &what)
				}
			})
		})
	}
	points, err := watchSoak(gh, metrics, *soakFor, &done)
	close(stop)
	all.Wait()
	if err != nil {
		return err
	}
	if s := strange.Load(); s != nil {
		fmt.Fprintln(os.Stderr, "the first that was not as expected:", *s)
	}
	b.soakRows(points, done.Load(), failed.Load())
	return nil
}

// soak goes round: sign in, refresh, check, look at pages, fail, sign out.
func soak(p *proc, i int, stop chan struct{}, count func(strange string)) {
	c := newClient(p, i)
	defer c.close()
	see := func(what string, status int, err error, want ...int) {
		switch {
		case err != nil:
			count(what + ": " + err.Error())
		case !slices.Contains(want, status):
			count(fmt.Sprintf("%s answered %d", what, status))
		default:
			count("")
		}
		time.Sleep(10 * time.Millisecond) // a part of the machine, not the whole of it
	}
	for n := i; ; n += soakWorkers {
		select {
		case <-stop:
			return
		default:
		}
		c.user = crowdAddress(n)
		status, answer, err := c.read(http.MethodPost, "/api/v1/login", "", c.login())
		access, refresh := member(answer, "access_token"), member(answer, "refresh_token")
		see("sign-in", status, err, http.StatusOK)
		for range 10 {
			status, answer, err = c.read(http.MethodPost, "/api/v1/token/refresh", "", `{"refresh_token":"`+refresh+`"}`)
			access, refresh = member(answer, "access_token"), member(answer, "refresh_token")
			see("refresh", status, err, http.StatusOK)
			for _, path := range []string{"/auth", "/api/v1/me", "/login", "/.well-known/jwks.json"} {
				h, err := c.do(http.MethodGet, path, access, "")
				see(path, h.status, err, http.StatusOK)
			}
		}
		h, err := c.do(http.MethodPost, "/api/v1/login", "", fmt.Sprintf(`{"username":%q,"password":"not the password"}`, c.user))
		see("wrong password", h.status, err, http.StatusUnauthorized, http.StatusTooManyRequests)
		h, err = c.do(http.MethodPost, "/api/v1/logout", access, "")
		see("sign-out", h.status, err, http.StatusNoContent)
	}
}

// member is a string member of a JSON answer of ours.
func member(answer []byte, name string) string {
	_, rest, _ := bytes.Cut(answer, []byte(`"`+name+`":"`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(value)
}

// watchSoak reads the server a hundred times in all and prints each tenth.
func watchSoak(p *proc, metrics string, length time.Duration, done *atomic.Int64) (points []soakPoint, err error) {
	begin := time.Now()
	for n := range 100 {
		time.Sleep(time.Until(begin.Add(length * time.Duration(n+1) / 100)))
		s := soakPoint{at: time.Since(begin)}
		if s.memory, _, err = memory(p.pid()); err != nil {
			return nil, err
		}
		if s.goroutines, err = gauge(metrics, "go_goroutines"); err != nil {
			return nil, err
		}
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid()))
		if err != nil {
			return nil, err
		}
		s.descriptors = float64(len(open))
		points = append(points, s)
		if n%10 == 9 {
			fmt.Fprintf(os.Stderr, "%s: %.1f MB, %.0f goroutines, %.0f descriptors, %d requests\n",
				s.at.Round(time.Second), s.memory, s.goroutines, s.descriptors, done.Load())
		}
	}
	return points, nil
}

func gauge(addr, name string) (v float64, err error) {
	_, body, err := call(http.MethodGet, "http://"+addr+"/metrics", "")
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			_, err = fmt.Sscan(rest, &v)
			return v, err
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}

func (b *bench) soakRows(points []soakPoint, requests, failed int64) {
	late := points[len(points)/6:]
	slope := func(of func(soakPoint) float64) float64 { return slopeAnHour(late, of) }
	name := fmt.Sprintf("soak of %s: ", *soakFor)
	note := fmt.Sprintf("%.1f MB at the end; %d requests, %d of them not as expected", late[len(late)-1].memory, requests, failed)
	b.add(newRow(name+"memory, MB an hour", []float64{slope(func(s soakPoint) float64 { return s.memory })}, note,
		"at most 1", func(m float64) bool { return m <= 1 && failed == 0 }))
	third := len(late) / 3
	goal, ok := atMost(1.1)
	for what, of := range map[string]func(soakPoint) float64{
		"goroutines": func(s soakPoint) float64 { return s.goroutines }, "descriptors": func(s soakPoint) float64 { return s.descriptors },
	} {
		begin, end := meanOf(late[:third], of), meanOf(late[len(late)-third:], of)
		b.add(newRow(name+what+", last third / first", []float64{end / begin}, fmt.Sprintf("%.1f, against %.1f", end, begin), goal, ok))
	}
}

func meanOf(points []soakPoint, of func(soakPoint) float64) (sum float64) {
	for _, p := range points {
		sum += of(p)
	}
	return sum / float64(len(points))
}

// slopeAnHour is the slope of the straight line that fits best.
func slopeAnHour(points []soakPoint, of func(soakPoint) float64) float64 {
	var sx, sy, sxx, sxy float64
	n := float64(len(points))
	for _, p := range points {
		x, y := p.at.Hours(), of(p)
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
