package verify

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnEndedSessionIsRefusedWithinASecond(t *testing.T) {
	f := newFeed(t)
	f.end(otherSession)
	following(t, f, func(t *testing.T, v *Verifier) {
		token := golden(t, "ES256")
		says(t, v, token, nil)
		f.end(goldenSession)
		wait(time.Second)
		says(t, v, token, ErrRevoked)
		if s := v.Stats(); !s.Known || s.Entries != 2 || s.Seq != 2 || s.ViewAge > time.Second {
			t.Fatalf("%+v", s)
		}
	})
}

func TestEveryKindOfEndingIsKept(t *testing.T) {
	user := uuidBytes("01890a5d-ac96-774b-bcce-b302099a8057")
	for name, e := range map[string]entry{
		"a token":           {kind: kindToken, id: uuidBytes("01890a5d-ac96-774b-bcce-b302099a8059")},
		"an older epoch":    {kind: kindSubject, id: user, epoch: 4},
		"a client's epoch":  {kind: kindClient, name: "gatehouse", epoch: 1},
		"a key for signing": {kind: kindKey, name: fixedKey(t, "ES256").KID},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(t)
			following(t, f, func(t *testing.T, v *Verifier) {
				says(t, v, golden(t, "ES256"), nil)
				f.end(e)
				wait(time.Second)
				says(t, v, golden(t, "ES256"), ErrRevoked)
			})
		})
	}
	f := newFeed(t)
	f.end(entry{kind: kindSubject, id: user, epoch: 3}, entry{kind: kindKey, name: "another"})
	following(t, f, func(t *testing.T, v *Verifier) { says(t, v, golden(t, "ES256"), nil) })
}

func TestAServiceIsNotReadyBeforeAnAnswerToItsOwnQuestion(t *testing.T) {
	f := newFeed(t)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodPost && down(w, r)
	}
	following(t, f, func(t *testing.T, v *Verifier) {
		says(t, v, golden(t, "ES256"), ErrStale)
		if v.Ready() == nil || v.Stats().Reloads != 1 {
			t.Fatal("it is ready without an answer")
		}
		f.change(func() { f.before = nil })
		wait(6 * time.Second)
		says(t, v, golden(t, "ES256"), nil)
		if v.Ready() != nil {
			t.Fatal("it is not ready")
		}
	}, func(o *Options) { o.Accept = true })
}

func TestAStopOfTheIssuerIsSurvivedUpToTheBound(t *testing.T) {
	f := newFeed(t)
	following(t, f, func(t *testing.T, v *Verifier) {
		token := golden(t, "ES256")
		f.change(func() { f.before = down })
		f.restart()
		wait(28 * time.Second)
		says(t, v, token, nil)
		says(t, v.Within(5*time.Second), token, ErrStale)
		wait(3 * time.Second)
		says(t, v, token, ErrStale)

		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		v.Handler(http.HandlerFunc(hello)).ServeHTTP(rec, r)
		if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Fatalf("got %d %v", rec.Code, rec.Header())
		}

		f.change(func() { f.before = nil })
		f.end(goldenSession)
		wait(6 * time.Second)
		says(t, v, token, ErrRevoked)
		if n := f.count(""); n != 1 {
			t.Fatalf("the snapshot was read %d times", n)
		}
	})
}

func TestAStreamThatEndsIsTakenUpWhereItWas(t *testing.T) {
	f := newFeed(t)
	following(t, f, func(t *testing.T, v *Verifier) {
		for range 5 {
			wait(10 * time.Second)
			f.restart()
			f.end(otherSession)
			wait(time.Second)
			if v.Stats().Seq != uint64(len(f.batches)) {
				t.Fatalf("behind a second later: %+v", v.Stats())
			}
		}
		if n := f.count(""); n != 1 {
			t.Fatalf("the snapshot was read %d times", n)
		}
	})
}

func TestAFeedThatIsSilentOrSlowToBeginIsLeft(t *testing.T) {
	f := newFeed(t)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v1/revocations/stream" {
			return false
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	following(t, f, func(t *testing.T, v *Verifier) {
		wait(time.Minute)
		if n := f.count("/stream"); n < 3 || n > 8 {
			t.Fatalf("%d streams in a minute", n)
		}
	})
}

func TestBatchesDelayedBesideHeartbeatsInTimeAreNotFresh(t *testing.T) {
	f := newFeed(t)
	f.delay = 20 * time.Second
	following(t, f, func(t *testing.T, v *Verifier) {
		token, strict := golden(t, "ES256"), v.Within(5*time.Second)
		says(t, strict, token, nil)
		for range 60 {
			f.end(otherSession)
			wait(time.Second)
		}
		says(t, strict, token, ErrStale)
		says(t, v, token, nil)
		if age := v.Stats().ViewAge; age < 19*time.Second || age > 22*time.Second {
			t.Fatalf("the view is %v old", age)
		}
		f.change(func() { f.delay = 0 })
		f.restart()
		wait(22 * time.Second)
		says(t, strict, token, nil)
	})
}

func TestTheAgeOfTheNodeThatAnswersCounts(t *testing.T) {
	f := newFeed(t)
	f.age = 10 * time.Second
	following(t, f, func(t *testing.T, v *Verifier) {
		says(t, v, golden(t, "ES256"), nil)
		says(t, v.Within(5*time.Second), golden(t, "ES256"), ErrStale)
	})
}

func TestAcceptingIsMarkedAndCounted(t *testing.T) {
	f := newFeed(t)
	following(t, f, func(t *testing.T, v *Verifier) {
		f.change(func() { f.before = down })
		wait(60 * time.Second)
		ask := func(v *Verifier) *httptest.ResponseRecorder {
			rec, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+golden(t, "ES256"))
			v.Handler(http.HandlerFunc(hello)).ServeHTTP(rec, r)
			return rec
		}
		if a := ask(v); a.Code != 200 || a.Header().Get("X-Token-View-Age") != "61" && a.Header().Get("X-Token-View-Age") != "60" {
			t.Fatalf("got %d %v", a.Code, a.Header())
		}
		if a := ask(v.Within(5 * time.Second)); a.Code != 503 {
			t.Fatalf("got %d", a.Code)
		}
		if s := v.Stats(); s.AcceptedStale != 1 || s.RefusedStale != 1 {
			t.Fatalf("%+v", s)
		}
		if q := f.asked()[0]; q.Mode != "accept" || q.BoundMS != 30000 {
			t.Fatalf("%+v", q)
		}
	}, func(o *Options) { o.Accept = true })
}

func TestAnAckFollowsWithinTwentyMilliseconds(t *testing.T) {
	f := newFeed(t)
	following(t, f, func(t *testing.T, v *Verifier) {
		for range 3 {
			f.end(otherSession)
			wait(20 * time.Millisecond)
			f.mu.Lock()
			last := f.asks[len(f.asks)-1]
			if last.Cursor != f.cursor(uint64(len(f.batches))) {
				t.Fatal("the newest batch is not acknowledged")
			}
			f.mu.Unlock()
		}
		f.change(func() { f.quiet = true })
		for range 1000 { // batches that follow each other closely do not put it off
			f.end(otherSession)
			wait(4 * time.Millisecond)
		}
		wait(20 * time.Millisecond)
		if last, n := f.asked()[len(f.asked())-1], len(f.asked()); last.Cursor != f.cursor(uint64(len(f.batches))) || n < 250 || n > 450 {
			t.Fatalf("%d questions, the last for %s", n, last.Cursor)
		}
		before := len(f.asked())
		wait(10 * time.Second)
		if n := len(f.asked()) - before; n < 9 || n > 12 {
			t.Fatalf("%d questions in 10 quiet seconds", n)
		}
		seen := map[string]bool{}
		for _, q := range f.asked() {
			if seen[q.Nonce] || q.Instance != f.asked()[0].Instance || q.Mode != "refuse" {
				t.Fatalf("%+v", q)
			}
			seen[q.Nonce] = true
		}
	})
}

func TestClosingRefusesAndThenLeaves(t *testing.T) {
	f := newFeed(t)
	following(t, f, func(t *testing.T, v *Verifier) {
		v.Close()
		says(t, v, golden(t, "ES256"), ErrStale)
		if last := f.asked()[len(f.asked())-1]; !last.Leave {
			t.Fatalf("%+v", last)
		}
		v.Close()
	})
}

func TestANewProcessBeginsWithASnapshot(t *testing.T) {
	f := newFeed(t)
	f.end(goldenSession)
	f.end(otherSession)
	following(t, f, func(t *testing.T, first *Verifier) {
		second := follow(t, f)
		defer second.Close()
		wait(time.Second)
		says(t, first, golden(t, "ES256"), ErrRevoked)
		says(t, second, golden(t, "ES256"), ErrRevoked)
		instances := map[string]bool{}
		for _, q := range f.asked() {
			instances[q.Instance] = true
		}
		if len(instances) != 2 {
			t.Fatalf("two processes are %d instances", len(instances))
		}
	})
}

// TestOnlyTheLargerOfBothClocksCounts moves the two clocks apart.
func TestOnlyTheLargerOfBothClocksCounts(t *testing.T) {
	for name, c := range map[string]struct {
		mono, wall time.Duration
		want       error
	}{
		"nothing happens":                      {0, 0, nil},
		"the wall clock is set back an hour":   {time.Second, -time.Hour, nil},
		"set back, and the bound passes":       {31 * time.Second, -time.Hour, ErrStale},
		"the wall clock is set forward":        {time.Second, time.Hour, ErrStale},
		"asleep: only the wall clock moves":    {0, 31 * time.Second, ErrStale},
		"a short sleep is within the bound":    {0, 20 * time.Second, nil},
		"both move, as while a process stands": {10 * time.Minute, 10 * time.Minute, ErrStale},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(t)
			var mono, wall atomic.Int64
			following(t, f, func(t *testing.T, v *Verifier) {
				f.change(func() { f.before = down })
				wait(0)
				says(t, v, golden(t, "ES256"), nil)
				mono.Store(int64(c.mono))
				wall.Store(int64(c.wall))
				says(t, v, golden(t, "ES256"), c.want)
				f.change(func() { f.before = nil })
				wait(10 * time.Second)
				if c.wall >= 0 {
					says(t, v, golden(t, "ES256"), nil)
				}
			}, func(o *Options) {
				base := time.Now()
				o.durations = func() (time.Duration, time.Duration) {
					d := time.Since(base)
					return d + time.Duration(mono.Load()), d + time.Duration(wall.Load())
				}
			})
		})
	}
}

func TestOptionsOfFollowingAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"plain http":      {FeedURL: "http://login.example.com/feed"},
		"a short bound":   {Bound: time.Millisecond},
		"a broken secret": {Service: "a b"},
	} {
		o.Issuer, o.Keys = issuer, NewKeySet()
		if o.Service == "" {
			o.Service = credential
		}
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestWithoutACredentialNothingIsFollowed(t *testing.T) {
	v, _ := newVerifier(t)
	if v.Stats() != (Stats{}) || v.Ready() != nil {
		t.Fatal("it follows")
	}
	mustVerify(t, v.Within(time.Second), golden(t, "ES256"))
}

func TestAnOutageDoesNotMakeEverySignatureBeCheckedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t)
		f.before = down
		v := follow(t, f)
		defer v.Close()
		token := golden(t, "ES256")
		says(t, v, token, ErrStale)
		if v.cache.get(token) == nil {
			t.Fatal("it is not remembered")
		}
	})
}
