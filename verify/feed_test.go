package verify

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const credential = "gh_sk_test"

// feed is an issuer's feed in memory.
type feed struct {
	t   testing.TB
	key ed25519.PrivateKey

	mu      sync.Mutex
	log     [16]byte
	batches []batch // the first has seq 1
	floor   uint64
	quiet   bool          // nobody waits for a receipt
	lag     uint64        // how many batches answers and snapshots stay behind
	age     time.Duration // that answers tell
	delay   time.Duration // of batches in the stream; heartbeats are on time
	grown   chan struct{}
	ended   chan struct{} // closed: all streams end
	before  func(http.ResponseWriter, *http.Request) bool
	line    func(map[string]any) // changes the claims of snapshots
	answers func(map[string]any) // changes the claims of answers
	signer  func() (crypto.Signer, string)
	asks    []question
	calls   map[string]int
}

func newFeed(t testing.TB) *feed {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{t: t, key: key, log: [16]byte{1, 2, 3}, grown: make(chan struct{}), ended: make(chan struct{}), calls: map[string]int{}}
	f.signer = func() (crypto.Signer, string) { return f.key, "feed-1" }
	return f
}

func (f *feed) change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

func (f *feed) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[path]
}

// asked is every question so far.
func (f *feed) asked() []question {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asks)
}

func appendEntry(b []byte, e entry) []byte {
	b = append(b, e.kind)
	b = binary.BigEndian.AppendUint64(b, 4102444800000000)
	if e.kind == kindClient || e.kind == kindKey {
		b = append(append(b, byte(len(e.name))), e.name...)
	} else {
		b = append(b, e.id[:]...)
	}
	if e.kind == kindClient || e.kind == kindSubject {
		b = binary.AppendUvarint(b, uint64(e.epoch))
	}
	return b
}

func bodyOf(entries ...entry) []byte {
	b := []byte{bodyVersion}
	for _, e := range entries {
		b = appendEntry(b, e)
	}
	return b
}

// hashAt is the hash of batch seq.
func (f *feed) hashAt(seq uint64) (h hash) {
	if seq > 0 {
		h = f.batches[seq-1].link(f.log)
	}
	return h
}

// end seals one batch of entries and tells the streams.
func (f *feed) end(entries ...entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := uint64(len(f.batches))
	f.batches = append(f.batches, batch{seq: n + 1, prev: f.hashAt(n), wantAck: !f.quiet, body: bodyOf(entries...)})
	close(f.grown)
	f.grown = make(chan struct{})
}

// restart ends all streams, as a server that stops does.
func (f *feed) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.ended)
	f.ended = make(chan struct{})
}

func (f *feed) cursor(seq uint64) string {
	b := binary.BigEndian.AppendUint64(slices.Clone(f.log[:]), seq)
	mac := hmac.New(sha256.New, []byte("cursor"))
	mac.Write(b)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(b)[:40])
}

// seqOf checks a cursor of ours.
func (f *feed) seqOf(cursor string) (uint64, bool) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 40 {
		return 0, false
	}
	seq := binary.BigEndian.Uint64(b[16:])
	return seq, cursor == f.cursor(seq)
}

func (f *feed) sign(typ string, claims map[string]any) string {
	f.t.Helper()
	key, kid := f.signer()
	method, alg := jwt.SigningMethod(jwt.SigningMethodEdDSA), "EdDSA"
	if _, ok := key.(ed25519.PrivateKey); !ok {
		method, alg = jwt.SigningMethodES256, "ES256"
	}
	text, _ := json.Marshal(claims)
	signed := b64(`{"alg":"`+alg+`","typ":"`+typ+`","kid":"`+kid+`"}`) + "." + b64(string(text))
	sig, err := method.Sign(signed, key)
	if err != nil {
		f.t.Error(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func uuidText(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (f *feed) head() uint64 { return uint64(len(f.batches)) - min(f.lag, uint64(len(f.batches))) }

// snapshot is the whole answer, with the lock held.
func (f *feed) snapshot() []byte {
	entries, count := []byte{bodyVersion}, 0
	for i := range f.batches[:f.head()] {
		b := &f.batches[i]
		if b.seq < f.floor {
			continue
		}
		list, err := b.entries()
		if err != nil {
			f.t.Error(err)
		}
		entries, count = append(entries, b.body[1:]...), count+len(list)
	}
	h, sum := f.hashAt(f.head()), sha256.Sum256(entries)
	claims := map[string]any{"iss": issuer, "log_id": uuidText(f.log), "seq": f.head(), "head_hash": b64(string(h[:])), "floor": f.floor,
		"cursor": f.cursor(f.head()), "count": count, "sha256": b64(string(sum[:])), "iat": 1}
	if f.line != nil {
		f.line(claims)
	}
	return append([]byte(f.sign(typeSnapshot, claims)+"\n"), entries...)
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/revocations")
	f.mu.Lock()
	f.calls[path]++
	before := f.before
	f.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	if path == "/keys" {
		io.WriteString(w, jwksOf(`{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"feed-1","x":"`+b64(string(f.key.Public().(ed25519.PublicKey)))+`"}`))
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+credential {
		w.WriteHeader(401)
		return
	}
	switch path {
	case "":
		f.mu.Lock()
		b := f.snapshot()
		f.mu.Unlock()
		w.Write(b)
	case "/ack":
		f.ack(w, r)
	case "/stream":
		f.stream(w, r)
	default:
		w.WriteHeader(404)
	}
}

func (f *feed) ack(w http.ResponseWriter, r *http.Request) {
	var q question
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		w.WriteHeader(400)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	seq, ok := f.seqOf(q.Cursor)
	switch {
	case !ok:
		w.WriteHeader(410)
		return
	case seq > uint64(len(f.batches)):
		w.WriteHeader(400)
		return
	}
	f.asks = append(f.asks, q)
	h := f.hashAt(f.head())
	claims := map[string]any{"iss": issuer, "log_id": uuidText(f.log), "head": f.head(), "head_hash": b64(string(h[:])), "floor": f.floor,
		"age_ms": f.age.Milliseconds(), "nonce": q.Nonce, "iat": 1}
	if f.answers != nil {
		f.answers(claims)
	}
	json.NewEncoder(w).Encode(map[string]string{"answer": f.sign(typeFreshness, claims)})
}

func (f *feed) stream(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	at, ok := f.seqOf(r.URL.Query().Get("cursor"))
	ended, floor, log := f.ended, f.floor, f.log
	f.mu.Unlock()
	if !ok {
		w.WriteHeader(410)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, ": hello\n\nevent: floor\ndata: {\"floor\":%d}\n\n", floor)
	w.(http.Flusher).Flush()
	beat := time.NewTicker(5 * time.Second)
	defer beat.Stop()
	for {
		f.mu.Lock()
		grown, delay := f.grown, f.delay
		var fresh []batch
		var ids []string
		if f.log == log && at < uint64(len(f.batches)) {
			fresh = slices.Clone(f.batches[at:])
			for _, b := range fresh {
				ids = append(ids, f.cursor(b.seq))
			}
		}
		f.mu.Unlock()
		at += uint64(len(fresh))
		send := func() {
			for i, b := range fresh {
				fmt.Fprintf(w, "id: %s\nevent: batch\ndata: {\"seq\":%d,\"prev\":%q,\"want_ack\":%v,\"body\":%q}\n\n",
					ids[i], b.seq, b64(string(b.prev[:])), b.wantAck, b64(string(b.body)))
			}
			w.(http.Flusher).Flush()
		}
		if delay > 0 && len(fresh) > 0 {
			time.AfterFunc(delay, send)
		} else if len(fresh) > 0 {
			send()
		}
		select {
		case <-grown:
		case <-ended:
			return
		case <-r.Context().Done():
			return
		case <-beat.C:
			io.WriteString(w, ": beat\n\n")
			w.(http.Flusher).Flush()
		}
	}
}

// loop is a network without sockets: it runs in a bubble of time.
type loop struct{ h http.Handler }

type loopWriter struct {
	header http.Header
	status int
	once   sync.Once
	ready  chan struct{}
	w      *io.PipeWriter
}

func (w *loopWriter) Header() http.Header { return w.header }
func (w *loopWriter) Flush()              { w.WriteHeader(200) }
func (w *loopWriter) WriteHeader(status int) {
	w.once.Do(func() { w.status = status; close(w.ready) })
}
func (w *loopWriter) Write(b []byte) (int, error) {
	w.WriteHeader(200)
	return w.w.Write(b)
}

func (l loop) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	w := &loopWriter{header: http.Header{}, ready: make(chan struct{}), w: pw}
	stop := context.AfterFunc(r.Context(), func() { pw.CloseWithError(r.Context().Err()) })
	go func() {
		defer stop()
		defer pw.Close()
		defer w.WriteHeader(200)
		l.h.ServeHTTP(w, r)
	}()
	select {
	case <-w.ready:
		return &http.Response{StatusCode: w.status, Status: strconv.Itoa(w.status), Header: w.header, Body: pr, Request: r}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// down answers as a server that is not there.
func down(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(502)
	return true
}

// following runs a test in a bubble of time with a service that follows f.
func following(t *testing.T, f *feed, test func(t *testing.T, v *Verifier), change ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.grown, f.ended = make(chan struct{}), make(chan struct{})
		v := follow(t, f, change...)
		defer v.Close()
		wait(2 * time.Second)
		test(t, v)
	})
}

func follow(t testing.TB, f *feed, change ...func(*Options)) *Verifier {
	t.Helper()
	set := NewKeySet()
	if err := set.Set(fixedKeys(t)); err != nil {
		t.Fatal(err)
	}
	o := Options{Issuer: issuer, Keys: set, Service: credential, HTTPClient: &http.Client{Transport: loop{f}},
		Clock: func() time.Time { return issuedAt.Add(time.Second) }}
	for _, fn := range change {
		fn(&o)
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wait lets time pass in a bubble, and then everything that it set off.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// says checks what becomes of the token.
func says(t testing.TB, v *Verifier, token string, want error) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
		t.Fatalf("got %v, want %v (last fault: %v)", err, want, v.Stats().LastFault)
	}
}

var (
	goldenSession = entry{kind: kindSession, id: uuidBytes("01890a5d-ac96-774b-bcce-b302099a8058")}
	otherSession  = entry{kind: kindSession, id: [16]byte{9, 9}}
)
