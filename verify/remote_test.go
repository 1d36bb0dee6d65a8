package verify

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wire is an issuer in memory.
type wire struct {
	mu     sync.Mutex
	answer func(*http.Request) *http.Response
	calls  int
	slow   time.Duration
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.calls++
	answer, slow := w.answer, w.slow
	w.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if answer == nil {
		return nil, errors.New("nobody answers")
	}
	res := answer(r)
	res.Request = r
	return res, nil
}

func (w *wire) set(answer func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// answer makes answers of a status, headers in pairs, and a body.
func answer(status int, body string, headers ...string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response {
		h := http.Header{}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader(body))}
	}
}

// overWire runs a test in a bubble of time, with a Verifier that reads its
// keys over w. The bubble starts in 2000, so the tokens stay those of the
// fixed clock.
func overWire(t *testing.T, w *wire, test func(t *testing.T, v *Verifier)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		v, err := New(Options{Issuer: issuer, HTTPClient: &http.Client{Transport: w},
			MaxLifetime: 24 * time.Hour, Clock: func() time.Time { return issuedAt.Add(time.Since(start)) }})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		test(t, v)
		v.Close()
		synctest.Wait()
	})
}

// longLived is a token of a fixed key for a whole day.
func longLived(t testing.TB, alg string) string {
	return forge(t, alg, goodHeader(t, alg), swap(t, goodPayload, "1767323645", "1767409445"))
}

func withoutKey(t testing.TB, alg string) string {
	var rest []string
	for _, other := range []string{"ES256", "EdDSA", "RS256"} {
		if other != alg {
			rest = append(rest, fixedJWK(t, other))
		}
	}
	return jwksOf(rest...)
}

func TestKeysAreReadFromTheIssuerAndKept(t *testing.T) {
	w := &wire{answer: answer(200, readFile(t, "jwks.json"), "Cache-Control", "public, max-age=600")}
	overWire(t, w, func(t *testing.T, v *Verifier) {
		for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
			mustVerify(t, v, longLived(t, alg))
		}
		if n := w.count(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
		time.Sleep(10 * time.Minute)
		if n := w.count(); n != 2 {
			t.Errorf("%d fetches after max-age, want 2", n)
		}
	})
}

func TestMaxAgeCountsWithinBounds(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                        usualFresh,
		"no-store":                usualFresh,
		"max-age=0":               minFresh,
		"max-age=1":               minFresh,
		"public, Max-Age=\"900\"": 15 * time.Minute,
		"max-age=31536000":        maxFresh,
		"max-age=99999999999999":  usualFresh,
		"max-age=-5":              usualFresh,
		"s-maxage=77":             usualFresh,
	} {
		if got := maxAge(http.Header{"Cache-Control": {header}}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestTheOldKeysStayWhileTheIssuerIsDown(t *testing.T) {
	good := answer(200, readFile(t, "jwks.json"), "Cache-Control", "max-age=30")
	for name, bad := range map[string]func(*http.Request) *http.Response{
		"silent":    nil,
		"500":       answer(500, readFile(t, "jwks.json")),
		"garbage":   answer(200, "<html>"),
		"empty set": answer(200, jwksOf()),
		"too large": answer(200, `{"keys":[],"pad":"`+strings.Repeat("x", maxKeySet)+`"}`),
		"elsewhere": answer(302, "", "Location", "https://evil.example/jwks.json"),
		"downgrade": answer(302, "", "Location", "http://login.example.com/.well-known/jwks.json"),
		"in rounds": answer(302, "", "Location", "/.well-known/jwks.json"),
	} {
		t.Run(name, func(t *testing.T) {
			w := &wire{answer: good}
			overWire(t, w, func(t *testing.T, v *Verifier) {
				mustVerify(t, v, longLived(t, "ES256"))
				w.set(bad)
				time.Sleep(5 * time.Minute)
				if w.count() < 5 {
					t.Errorf("only %d fetches: failures are not tried again", w.count())
				}
				mustVerify(t, v, longLived(t, "EdDSA"))
			})
		})
	}
}

func TestRedirectsWithinTheIssuerAreFollowed(t *testing.T) {
	set := readFile(t, "jwks.json")
	w := &wire{answer: func(r *http.Request) *http.Response {
		if r.URL.Path == "/moved" {
			return answer(200, set)(r)
		}
		return answer(307, "", "Location", "/moved")(r)
	}}
	overWire(t, w, func(t *testing.T, v *Verifier) { mustVerify(t, v, longLived(t, "ES256")) })
}

func TestAnUnknownKidIsFetchedAtMostOnceInThirtySeconds(t *testing.T) {
	w := &wire{answer: answer(200, withoutKey(t, "ES256"), "Cache-Control", "max-age=3600"), slow: time.Second}
	overWire(t, w, func(t *testing.T, v *Verifier) {
		mustVerify(t, v, longLived(t, "EdDSA"))
		unknown := longLived(t, "ES256")
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), unknown); !errors.Is(err, ErrUnknownKey) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n := w.count(); n != 2 {
			t.Errorf("%d fetches, want the first and one more", n)
		}
		w.set(answer(200, readFile(t, "jwks.json"), "Cache-Control", "max-age=3600"))
		time.Sleep(25 * time.Second)
		if _, err := v.Verify(t.Context(), unknown); !errors.Is(err, ErrUnknownKey) || w.count() != 2 {
			t.Errorf("within 30 s: %v after %d fetches", err, w.count())
		}
		time.Sleep(6 * time.Second)
		mustVerify(t, v, unknown)
		if n := w.count(); n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}

func TestAKeyThatLeavesThePublishedSetStopsCounting(t *testing.T) {
	w := &wire{answer: answer(200, readFile(t, "jwks.json"), "Cache-Control", "max-age=30")}
	overWire(t, w, func(t *testing.T, v *Verifier) {
		token := longLived(t, "ES256")
		mustVerify(t, v, token)
		w.set(answer(200, withoutKey(t, "ES256"), "Cache-Control", "max-age=30"))
		time.Sleep(31 * time.Second)
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("got %v", err)
		}
	})
}

func TestKeysOfTheFeedAreReadAgainHoweverLongTheyMayBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answer(200, readFile(t, "jwks.json"), "Cache-Control", "public, max-age=3600")}
		r, err := newRemote(Options{HTTPClient: &http.Client{Transport: w}, Clock: time.Now}, issuer+"/keys", minFresh)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { r.close(); synctest.Wait() }()
		if _, err := r.resolve(t.Context(), fixedKey(t, "ES256").KID); err != nil {
			t.Fatal(err)
		}
		w.set(answer(200, withoutKey(t, "ES256"), "Cache-Control", "public, max-age=3600"))
		time.Sleep(minFresh + time.Second)
		if _, err := r.resolve(t.Context(), fixedKey(t, "ES256").KID); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("a key that was revoked is believed: %v", err)
		}
	})
}

func TestWithoutAnyKeyTheAnswerIsNotTheTokensFault(t *testing.T) {
	w := &wire{}
	overWire(t, w, func(t *testing.T, v *Verifier) {
		if _, err := v.Verify(t.Context(), longLived(t, "ES256")); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		w.set(answer(200, readFile(t, "jwks.json")))
		time.Sleep(time.Minute)
		mustVerify(t, v, longLived(t, "ES256"))
	})
}

func TestASlowIssuerIsGivenUpAfterFiveSeconds(t *testing.T) {
	w := &wire{answer: answer(200, readFile(t, "jwks.json")), slow: time.Hour}
	overWire(t, w, func(t *testing.T, v *Verifier) {
		start := time.Now()
		if _, err := v.Verify(t.Context(), longLived(t, "ES256")); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 2*fetchTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

func TestACallerThatGivesUpIsNotKeptWaiting(t *testing.T) {
	w := &wire{slow: time.Hour}
	overWire(t, w, func(t *testing.T, v *Verifier) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := v.Verify(ctx, longLived(t, "ES256")); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnUnchangedSetIsNotSentAgain(t *testing.T) {
	set := readFile(t, "jwks.json")
	w := &wire{answer: func(r *http.Request) *http.Response {
		if r.Header.Get("If-None-Match") == `"one"` {
			return answer(304, "", "Cache-Control", "max-age=30")(r)
		}
		return answer(200, set, "ETag", `"one"`, "Cache-Control", "max-age=30")(r)
	}}
	overWire(t, w, func(t *testing.T, v *Verifier) {
		mustVerify(t, v, longLived(t, "ES256"))
		time.Sleep(2 * time.Minute)
		mustVerify(t, v, longLived(t, "RS256"))
		if w.count() < 3 {
			t.Errorf("%d fetches", w.count())
		}
	})
}

func TestARealServerOnLoopbackMayBePlainHTTP(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, readFile(t, "jwks.json"))
	}))
	defer srv.Close()
	v, err := New(Options{Issuer: issuer, JWKSURL: srv.URL, Clock: newClock().Now})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	mustVerify(t, v, golden(t, "ES256"))
}
