package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sample is one round of one measurement.
type sample struct {
	perSecond float64
	cpuMicros float64       // of the server process, per request
	p99       time.Duration // of the slowest hundredth
	failed    int
}

// request makes the bytes of the n-th request; it is called before the clock
// of that request starts.
type request func(n int) []byte

// load sends requests over conns keep-alive connections for about d, and reads
// the CPU time of the server process before and after.
func load(addr string, pid, conns int, d time.Duration, next request) (sample, error) {
	var sent, failed atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	var firstErr error
	before, err := cpuTime(pid)
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			lat, err := oneConnection(addr, start.Add(d), next, &sent, &failed)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, lat...)
			if err != nil && firstErr == nil {
				firstErr = err
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	after, err := cpuTime(pid)
	if err == nil {
		err = firstErr
	}
	if err != nil {
		return sample{}, err
	}
	slices.Sort(all)
	s := sample{perSecond: float64(len(all)) / took.Seconds(), failed: int(failed.Load())}
	if len(all) > 0 {
		s.cpuMicros = float64((after - before).Microseconds()) / float64(len(all))
		s.p99 = all[len(all)*99/100]
	}
	return s, nil
}

func oneConnection(addr string, until time.Time, next request, sent, failed *atomic.Int64) ([]time.Duration, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 16<<10)
	var lat []time.Duration
	for time.Now().Before(until) {
		req := next(int(sent.Add(1)))
		begin := time.Now()
		if _, err := c.Write(req); err != nil {
			return lat, err
		}
		status, err := skipAnswer(r)
		if err != nil {
			return lat, fmt.Errorf("after %d answers: %w", len(lat), err)
		}
		if status >= 400 {
			failed.Add(1)
		}
		lat = append(lat, time.Since(begin))
	}
	return lat, nil
}

// skipAnswer reads one HTTP/1.1 answer and drops it.
func skipAnswer(r *bufio.Reader) (status int, err error) {
	h, err := skipBody(r)
	return h.status, err
}

// skipBody is skipAnswer with the head of the answer.
func skipBody(r *bufio.Reader) (head, error) {
	h, err := readHead(r)
	if err != nil {
		return head{}, err
	}
	if h.chunked {
		return h, skipChunks(r)
	}
	_, err = r.Discard(h.length)
	return h, err
}

// readAnswer is skipAnswer with the body, which must have a length.
func readAnswer(r *bufio.Reader) (status int, body []byte, err error) {
	h, err := readHead(r)
	if err != nil || h.chunked {
		return h.status, nil, err
	}
	body = make([]byte, h.length)
	_, err = io.ReadFull(r, body)
	return h.status, body, err
}

// head is what the generator looks at before the body of an answer.
type head struct {
	status, length int
	chunked        bool
	last           bool          // the server closes the connection
	retry          time.Duration // of Retry-After; 0 is none
}

// readHead parses just enough of an answer to stay in step, so that the
// generator takes little of the processors.
func readHead(r *bufio.Reader) (h head, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	if len(line) < 12 {
		return h, fmt.Errorf("no status line: %q", line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, err
	}
	for {
		line, err = r.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			h.length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			h.chunked = true
		case bytes.EqualFold(name, []byte("Connection")):
			h.last = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		case bytes.EqualFold(name, []byte("Retry-After")):
			var seconds int
			seconds, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			h.retry = time.Duration(seconds) * time.Second
		}
		if err != nil {
			return h, err
		}
	}
	return h, nil
}

func skipChunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 32)
		if err != nil {
			return err
		}
		if _, err := r.Discard(int(n) + 2); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// cpuTime is user and system time of a process, its threads and its children
// (proc(5)), in steps of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	own, err := cpuTimeOf(pid)
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(children)) {
		id, _ := strconv.Atoi(child)
		more, _ := cpuTimeOf(id)
		own += more
	}
	return own, err
}

func cpuTimeOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("unexpected /proc/%d/stat", pid)
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

// ownCPU is the CPU time of this process, in microseconds' precision.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memory is the resident memory of a process now and at its highest, in MB.
func memory(pid int) (now, peak float64, err error) {
	m, err := memoryKinds(pid)
	return m["VmRSS"], m["VmHWM"], err
}

// memoryKinds is the memory of a process by the kernel's names, in MB.
func memoryKinds(pid int) (map[string]float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	m := map[string]float64{}
	for line := range strings.SplitSeq(string(b), "\n") {
		name, value, _ := strings.Cut(line, ":")
		if kb, ok := strings.CutSuffix(strings.TrimSpace(value), " kB"); ok {
			n, _ := strconv.ParseFloat(kb, 64)
			m[name] = n / 1024
		}
	}
	return m, nil
}

// get is a plain request for load, under the one name that p answers to.
func get(p *proc, path string, headers ...string) request {
	b := []byte("GET " + path + " HTTP/1.1\r\nHost: " + p.host() + "\r\n")
	for _, h := range headers {
		b = append(b, h+"\r\n"...)
	}
	b = append(b, "\r\n"...)
	return func(int) []byte { return b }
}

// post is a JSON request for load.
func post(p *proc, path, body string) request {
	b := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, p.host(), len(body), body)
	return func(int) []byte { return b }
}

// call is one request of the set-up, with its answer.
func call(method, url, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, b, err
}
