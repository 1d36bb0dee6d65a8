package verify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNoCheckThatBeginsAfterTheAckAccepts ends session after session while
// eight goroutines check, with real goroutines and time. Meanwhile the stream
// is cut and the snapshot is loaded again and again.
func TestNoCheckThatBeginsAfterTheAckAccepts(t *testing.T) {
	const rounds = 24
	f := newFeed(t)
	var acked atomic.Uint64 // the newest batch that was acknowledged
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			var q question
			text, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(text)))
			_ = json.Unmarshal(text, &q)
			f.mu.Lock()
			seq, _ := f.seqOf(q.Cursor)
			f.mu.Unlock()
			for old := acked.Load(); old < seq && !acked.CompareAndSwap(old, seq); old = acked.Load() {
			}
		}
		return false
	}
	v := follow(t, f)
	defer v.Close()
	tokens := make([]string, rounds)
	sessions := make([]entry, rounds)
	for i := range tokens {
		id := [16]byte{1, byte(i)}
		sessions[i] = entry{kind: kindSession, id: id}
		tokens[i] = forge(t, "ES256", goodHeader(t, "ES256"), swap(t, goodPayload, "01890a5d-ac96-774b-bcce-b302099a8058", uuidText(id)))
	}
	var checks sync.WaitGroup
	stop := make(chan struct{})
	for g := range 8 {
		checks.Go(func() {
			for i := g; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				n := i % rounds
				dead := acked.Load() > uint64(n)
				_, err := v.Verify(t.Context(), tokens[n])
				if dead && err == nil {
					t.Errorf("token %d is accepted after the acknowledgement", n)
					return
				}
				if err != nil && !errors.Is(err, ErrRevoked) && !errors.Is(err, ErrStale) {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range sessions {
		f.end(sessions[i])
		if i%12 == 5 {
			v.follower.startOver()
		}
		for limit := time.Now().Add(20 * time.Second); acked.Load() < uint64(i+1); time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("batch %d is not acknowledged: %+v", i+1, v.Stats())
			}
		}
	}
	close(stop)
	checks.Wait()
}
