package proofs

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// mode is what a proxy does to the feed that passes through it.
type mode string

const (
	honest       mode = "passed on"
	cut          mode = "cut"
	slowed       mode = "slowed by 20 s, heartbeats in time"
	slowedWhole  mode = "slowed by 20 s as a whole"
	garbage      mode = "replaced by garbage"
	badSignature mode = "with spoiled signatures and batches"
	flooded      mode = "flooded with 10 GB an answer"
)

// hold is how long a slow proxy keeps what it delays.
const hold = 20 * time.Second

// proxy stands between services and a node.
type proxy struct {
	*httptest.Server
	target string
	sent   atomic.Int64 // bytes of a flood that somebody read

	mu      sync.Mutex
	mode    mode
	changed chan struct{} // closed when the mode changes: what runs under the old one ends
}

func newProxy(t *testing.T, n *node) *proxy {
	p := &proxy{target: n.url(), mode: honest, changed: make(chan struct{})}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.set(cut)
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// set changes the mode and ends every transfer of before.
func (p *proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *proxy) now() (mode, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, p.changed
}

// ServeHTTP passes a request on and does to the answer what the mode says.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m, changed := p.now()
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	go func() {
		select {
		case <-changed:
			stop()
		case <-ctx.Done():
		}
	}()
	switch m {
	case cut:
		panic(http.ErrAbortHandler)
	case flooded:
		p.flood(ctx, w, r)
		return
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, p.target+r.URL.RequestURI(), r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Header = r.Header.Clone()
	res, err := forward.RoundTrip(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer res.Body.Close()
	for name, values := range res.Header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(res.StatusCode)
	if strings.HasSuffix(r.URL.Path, "/stream") {
		passStream(ctx, w, res.Body, m)
		return
	}
	if m == slowed && strings.HasSuffix(r.URL.Path, "/revocations") {
		m = slowedWhole // a snapshot is late like the batches; answers to questions are not
	}
	passWhole(ctx, w, res.Body, m)
}

var forward = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}

// passWhole passes a snapshot or an answer on.
func passWhole(ctx context.Context, w io.Writer, body io.Reader, m mode) {
	all, err := io.ReadAll(body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch m {
	case slowedWhole:
		wait(ctx, hold)
	case garbage:
		all = noise(len(all) + 100)
	case badSignature:
		all = spoil(all)
	}
	_, _ = w.Write(all)
}

// line is one line of a stream, and when it is due.
type line struct {
	text []byte
	due  time.Time
}

// passStream passes a stream on line by line. A slow one lets comments, which
// are the heartbeats, pass at once.
func passStream(ctx context.Context, w http.ResponseWriter, body io.Reader, m mode) {
	lines := make(chan line, 100_000)
	go func() {
		defer close(lines)
		for in := bufio.NewReaderSize(body, 1<<20); ; {
			text, err := in.ReadBytes('\n')
			if err != nil {
				return
			}
			lines <- line{treat(text, m), time.Now().Add(delay(text, m))}
		}
	}()
	var late []line
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case l, ok := <-lines:
			if !ok {
				return
			}
			if time.Now().Before(l.due) {
				late = append(late, l)
				continue
			}
			write(w, l)
		case now := <-tick.C:
			for len(late) > 0 && now.After(late[0].due) {
				write(w, late[0])
				late = late[1:]
			}
		}
	}
}

func write(w http.ResponseWriter, l line) {
	_, _ = w.Write(l.text)
	_ = http.NewResponseController(w).Flush()
}

func delay(text []byte, m mode) time.Duration {
	if m == slowedWhole || m == slowed && text[0] != ':' && text[0] != '\n' {
		return hold
	}
	return 0
}

func treat(text []byte, m mode) []byte {
	switch m {
	case garbage:
		return append(noise(len(text)), '\n')
	case badSignature:
		if bytes.HasPrefix(text, []byte("data:")) {
			return spoil(text)
		}
	}
	return text
}

// spoil changes one character in the last third of what is signed or hashed:
// in an answer and the first line of a snapshot the signature, in a batch its
// body.
func spoil(b []byte) []byte {
	b = bytes.Clone(b)
	end := len(b)
	if i := bytes.IndexByte(b, '\n'); i > 0 {
		end = i
	}
	for i := end - end/6; i < end; i++ {
		if c := b[i]; c >= 'a' && c < 'z' {
			b[i]++
			return b
		}
	}
	return append(b, 'x')
}

func noise(n int) []byte {
	const letters = "{}[]\":,\x00\xffabcdef0123456789 \r"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[(i*7919+n)%len(letters)]
	}
	return b
}

// flood answers whatever was asked with 10 GB.
func (p *proxy) flood(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/stream") {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	for sent := 0; sent < 10_000 && ctx.Err() == nil; sent++ {
		n, err := w.Write(chunk)
		p.sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
