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

// soakPoint is what the server took at one moment. Its memory is that of Go's
// runtime, what was mapped beside it (SQLite's, and that of the hashes) and the
// pages of files, which the kernel may drop.
type soakPoint struct {
	at                             time.Duration
	memory, runtime, mapped, files float64
	goroutines, descriptors        float64
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
		if err := s.read(p, metrics); err != nil {
			return nil, err
		}
		points = append(points, s)
		if n%10 == 9 {
			fmt.Fprintf(os.Stderr, "%s: %.1f MB (Go %.1f, SQLite and hashes %.1f, files %.1f), %.0f goroutines, %.0f descriptors, %d requests\n",
				s.at.Round(time.Second), s.memory, s.runtime, s.mapped, s.files, s.goroutines, s.descriptors, done.Load())
		}
	}
	return points, nil
}

// read fills s. What Go has from the system and has not given back is the whole
// of its runtime: heap, stacks and its own tables.
func (s *soakPoint) read(p *proc, metrics string) error {
	kinds, err := memoryKinds(p.pid())
	if err != nil {
		return err
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid()))
	if err != nil {
		return err
	}
	g, err := gauges(metrics, "go_goroutines", "go_memstats_sys_bytes", "go_memstats_heap_released_bytes")
	if err != nil {
		return err
	}
	s.goroutines, s.descriptors = g[0], float64(len(open))
	s.memory, s.files, s.runtime = kinds["VmRSS"], kinds["RssFile"]+kinds["RssShmem"], (g[1]-g[2])/(1<<20)
	s.mapped = kinds["RssAnon"] - s.runtime
	return nil
}

// gauges reads some of the metrics, in the order of their names.
func gauges(addr string, names ...string) ([]float64, error) {
	_, body, err := call(http.MethodGet, "http://"+addr+"/metrics", "")
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(names))
	for i, name := range names {
		_, rest, found := strings.Cut("\n"+string(body), "\n"+name+" ")
		if !found {
			return nil, fmt.Errorf("/metrics has no %s", name)
		}
		if _, err := fmt.Sscan(rest, &values[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (b *bench) soakRows(points []soakPoint, requests, failed int64) {
	late := points[len(points)/6:]
	slope := func(of func(soakPoint) float64) float64 { return slopeAnHour(late, of) }
	name := fmt.Sprintf("soak of %s: ", *soakFor)
	note := fmt.Sprintf("%.1f MB at the end; %d requests, %d of them not as expected", late[len(late)-1].memory, requests, failed)
	b.add(newRow(name+"memory, MB an hour", []float64{slope(func(s soakPoint) float64 { return s.memory })}, note,
		"at most 1", func(m float64) bool { return m <= 1 && failed == 0 }))
	b.soakParts(name, late)
	third := len(late) / 3
	goal, ok := atMost(1.1)
	for what, of := range map[string]func(soakPoint) float64{
		"goroutines": func(s soakPoint) float64 { return s.goroutines }, "descriptors": func(s soakPoint) float64 { return s.descriptors },
	} {
		begin, end := meanOf(late[:third], of), meanOf(late[len(late)-third:], of)
		b.add(newRow(name+what+", last third / first", []float64{end / begin}, fmt.Sprintf("%.1f, against %.1f", end, begin), goal, ok))
	}
}

// soakParts says whose the memory is, so that a slope has an owner.
func (b *bench) soakParts(name string, points []soakPoint) {
	for _, part := range []struct {
		what string
		of   func(soakPoint) float64
	}{
		{"Go", func(s soakPoint) float64 { return s.runtime }},
		{"SQLite and hashes", func(s soakPoint) float64 { return s.mapped }},
		{"files", func(s soakPoint) float64 { return s.files }},
	} {
		note := fmt.Sprintf("%.1f MB at the end, %.1f after the first sixth", part.of(points[len(points)-1]), part.of(points[0]))
		none, ok := seen()
		b.add(newRow(name+"of it "+part.what+", MB an hour", []float64{slopeAnHour(points, part.of)}, note, none, ok))
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
