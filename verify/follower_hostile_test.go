package verify

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// reloads makes the service read a snapshot again: the stream says that the
// cursor is unknown, as long as broken is true.
func (f *feed) onSnapshot(answer func(w http.ResponseWriter)) {
	f.change(func() {
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			switch r.URL.Path {
			case "/api/v1/revocations":
				if answer == nil {
					return false
				}
				answer(w)
			case "/api/v1/revocations/stream", "/api/v1/revocations/ack":
				w.WriteHeader(410)
			default:
				return false
			}
			return true
		}
	})
	f.restart()
}

func TestABadSnapshotKeepsTheOldSetWhichAges(t *testing.T) {
	good := func(f *feed) []byte {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.snapshot()
	}
	claim := func(name string, value any) func(f *feed) []byte {
		return func(f *feed) []byte {
			f.line = func(c map[string]any) { c[name] = value }
			return good(f)
		}
	}
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	signedBy := func(key crypto.Signer, kid string) func(f *feed) []byte {
		return func(f *feed) []byte {
			f.signer = func() (crypto.Signer, string) { return key, kid }
			return good(f)
		}
	}
	cases := map[string]func(f *feed) []byte{
		"nothing":                   func(*feed) []byte { return nil },
		"no line":                   func(*feed) []byte { return bytes.Repeat([]byte("A"), 1<<20) },
		"a page":                    func(*feed) []byte { return []byte("<html>\nhello") },
		"cut":                       func(f *feed) []byte { b := good(f); return b[:len(b)-3] },
		"cut between two entries":   func(f *feed) []byte { b := good(f); return b[:len(b)-25] },
		"one more byte":             func(f *feed) []byte { return append(good(f), 1) },
		"another entry":             func(f *feed) []byte { b := good(f); b[len(b)-1]++; return b },
		"a bad signature":           func(f *feed) []byte { b := good(f); i := bytes.IndexByte(b, '\n'); b[i-20] ^= 1; return b },
		"signed by a stranger":      signedBy(stranger, "feed-1"),
		"signed by the token key":   signedBy(privateKey(t, "ES256"), fixedKey(t, "ES256").KID),
		"token key under feed name": signedBy(privateKey(t, "ES256"), "feed-1"),
		"of another issuer":         claim("iss", "https://evil.example.com"),
		"without a log":             claim("log_id", "x"),
		"of a negative number":      claim("seq", -1),
		"of a wrong sum":            claim("sha256", b64(strings.Repeat("x", 32))),
		"of a wrong count":          claim("count", 1),
		"of an immense count":       claim("count", int64(1)<<60),
		"with an odd cursor":        claim("cursor", "a&b=c"),
		"older than what is known":  claim("seq", 1),
		"forked":                    claim("head_hash", b64(strings.Repeat("y", 32))),
		"an answer, not a snapshot": func(f *feed) []byte {
			return []byte(strings.Replace(string(good(f)), b64(`{"alg":"EdDSA","typ":"gh-snapshot`), b64(`{"alg":"EdDSA","typ":"gh-freshnes`), 1))
		},
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFeed(t)
			f.end(goldenSession)
			f.end(otherSession)
			following(t, f, func(t *testing.T, v *Verifier) {
				bad := body(f)
				f.onSnapshot(func(w http.ResponseWriter) { w.Write(bad) })
				live := forge(t, "ES256", goodHeader(t, "ES256"), swap(t, goodPayload, "b302099a8058", "b302099a8000"))
				wait(28 * time.Second)
				says(t, v, golden(t, "ES256"), ErrRevoked)
				says(t, v, live, nil)
				wait(4 * time.Second)
				says(t, v, golden(t, "ES256"), ErrRevoked)
				says(t, v, live, ErrStale)
				if n := f.count(""); n < 4 || n > 30 || v.Stats().Reloads != 1 {
					t.Fatalf("%d reads of the snapshot in half a minute, %+v", n, v.Stats())
				}
				f.change(func() {
					f.before, f.line = nil, nil
					f.signer = func() (crypto.Signer, string) { return f.key, "feed-1" }
				})
				wait(7 * time.Second)
				says(t, v, golden(t, "ES256"), ErrRevoked)
				says(t, v, live, nil)
			})
		})
	}
}

func TestTenGigabytesAreNotRead(t *testing.T) {
	for _, where := range []string{"", "/stream", "/ack", "/keys"} {
		t.Run("as "+where, func(t *testing.T) {
			f := newFeed(t)
			f.end(goldenSession)
			var written atomic.Int64
			flood := func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/api/v1/revocations"+where {
					return false
				}
				w.Header().Set("Content-Type", "text/event-stream")
				if where == "" {
					f.mu.Lock()
					f.line = func(c map[string]any) { c["count"] = 1000 }
					head, _, _ := bytes.Cut(f.snapshot(), []byte("\n"))
					f.line = nil
					f.mu.Unlock()
					w.Write(append(head, '\n', bodyVersion))
				}
				flood := bytes.Repeat(appendEntry(nil, otherSession), 4096)
				if where == "/stream" {
					flood = []byte(strings.Repeat(": hello\n\n", 10000))
				}
				for sent := int64(0); sent < 10<<30; {
					n, err := w.Write(flood)
					sent += int64(n)
					written.Store(max(written.Load(), sent))
					if err != nil {
						break
					}
				}
				return true
			}
			f.before = flood
			following(t, f, func(t *testing.T, v *Verifier) {
				if n := written.Load(); n > 10<<20 {
					t.Fatalf("%d bytes were read", n)
				}
				says(t, v, golden(t, "ES256"), afterFlood(where))
				f.change(func() { f.before = nil })
				wait(10 * time.Second)
				says(t, v, golden(t, "ES256"), ErrRevoked)
			}, func(o *Options) { o.MaxFeedBytes = 1 << 20 })
		})
	}
}

// afterFlood is what a flood leads to: a set that is there refuses what it
// holds, and without a snapshot or its key there is nothing.
func afterFlood(where string) error {
	if where == "/ack" || where == "/stream" {
		return ErrRevoked
	}
	return ErrStale
}

func TestGarbageInTheStreamKeepsTheOldSet(t *testing.T) {
	for name, garbage := range map[string]func(f *feed) string{
		"bytes":            func(*feed) string { return "\x00\xff\xfe{}\n\n" },
		"a long line":      func(*feed) string { return "data: " + strings.Repeat("x", 200<<10) + "\n\n" },
		"endless comments": func(*feed) string { return strings.Repeat(": x\n", 300<<10) },
		"no JSON":          func(f *feed) string { return "id: abc\nevent: batch\ndata: {]\n\n" },
		"a name twice":     func(f *feed) string { return "id: a\nid: b\nevent: batch\ndata: {}\n\n" },
		"a gap":            func(f *feed) string { return f.event(9, f.hashAt(1), bodyOf(otherSession)) },
		"another past":     func(f *feed) string { return f.event(2, hash{1}, bodyOf(otherSession)) },
		"an unknown kind":  func(f *feed) string { return f.event(2, f.hashAt(1), append([]byte{1, 6}, make([]byte, 30)...)) },
		"an unknown body":  func(f *feed) string { return f.event(2, f.hashAt(1), []byte{2}) },
		"half an entry":    func(f *feed) string { return f.event(2, f.hashAt(1), bodyOf(otherSession)[:20]) },
		"a body of 70 KB":  func(f *feed) string { return f.event(2, f.hashAt(1), make([]byte, 70<<10)) },
		"a forged batch":   func(f *feed) string { return f.event(2, f.hashAt(1), bodyOf(entry{kind: kindKey, name: "forged"})) },
		"a forged cursor": func(f *feed) string {
			return strings.Replace(f.event(2, f.hashAt(1), bodyOf(otherSession)), "id: ", "id: AAAA", 1)
		},
		"cursor injection": func(f *feed) string {
			return strings.Replace(f.event(2, f.hashAt(1), bodyOf(otherSession)), "id: ", "id: A&b=", 1)
		},
		"a floor of a fool": func(f *feed) string { return "event: floor\ndata: {\"floor\":999999}\n\n" },
		"another type":      func(*feed) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(t)
			f.end(goldenSession)
			text := garbage(f)
			following(t, f, func(t *testing.T, v *Verifier) {
				f.change(func() {
					f.before = func(w http.ResponseWriter, r *http.Request) bool {
						if r.URL.Path != "/api/v1/revocations/stream" {
							return false
						}
						if text != "" {
							w.Header().Set("Content-Type", "text/event-stream")
						}
						w.(http.Flusher).Flush()
						io.WriteString(w, text)
						<-r.Context().Done()
						return true
					}
				})
				f.restart()
				wait(20 * time.Second)
				says(t, v, golden(t, "ES256"), ErrRevoked)
				f.change(func() { f.before = nil })
				f.end(otherSession)
				wait(20 * time.Second)
				says(t, v, golden(t, "ES256"), ErrRevoked)
				if s := v.Stats(); s.Seq != 2 || s.Entries != 2 || s.ViewAge > time.Second {
					t.Fatalf("it has not recovered: %+v", s)
				}
				if n := f.count(""); n > 20 {
					t.Fatalf("the snapshot was read %d times", n)
				}
			})
		})
	}
}

func (f *feed) event(seq uint64, prev hash, body []byte) string {
	return fmt.Sprintf("id: %s\nevent: batch\ndata: {\"seq\":%d,\"prev\":%q,\"want_ack\":true,\"body\":%q}\n\n",
		f.cursor(seq), seq, b64(string(prev[:])), b64(string(body)))
}

func TestAnAnswerCountsOnlyWhenItIsToTheQuestion(t *testing.T) {
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	replayed := ""
	for name, change := range map[string]func(f *feed){
		"another nonce":       func(f *feed) { f.answers = func(c map[string]any) { c["nonce"] = b64("0123456789abcdef") } },
		"another issuer":      func(f *feed) { f.answers = func(c map[string]any) { c["iss"] = "https://evil.example.com" } },
		"a negative age":      func(f *feed) { f.answers = func(c map[string]any) { c["age_ms"] = -100000 } },
		"an age out of range": func(f *feed) { f.answers = func(c map[string]any) { c["age_ms"] = int64(1) << 62 } },
		"no age":              func(f *feed) { f.answers = func(c map[string]any) { delete(c, "age_ms") } },
		"a head to come":      func(f *feed) { f.answers = func(c map[string]any) { c["head"] = 3 } },
		"a head long past": func(f *feed) {
			f.answers = func(c map[string]any) { c["head"], c["head_hash"] = 0, b64(strings.Repeat("\x00", 32)) }
		},
		"another log":   func(f *feed) { f.answers = func(c map[string]any) { c["log_id"] = uuidText([16]byte{7}) } },
		"another past":  func(f *feed) { f.answers = func(c map[string]any) { c["head_hash"] = b64(strings.Repeat("z", 32)) } },
		"a strange key": func(f *feed) { f.signer = func() (crypto.Signer, string) { return stranger, "feed-1" } },
		"the token key": func(f *feed) {
			f.signer = func() (crypto.Signer, string) { return privateKey(t, "ES256"), fixedKey(t, "ES256").KID }
		},
		"an old answer": func(f *feed) {
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/v1/revocations/ack" {
					io.WriteString(w, replayed)
					return true
				}
				return false
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed(t)
			f.end(otherSession)
			h := f.hashAt(1)
			replayed = `{"answer":"` + f.sign(typeFreshness, map[string]any{"iss": issuer, "log_id": uuidText(f.log), "head": 1,
				"head_hash": b64(string(h[:])), "floor": 0, "age_ms": 0, "nonce": b64("0123456789abcdef"), "iat": 1}) + `"}`
			following(t, f, func(t *testing.T, v *Verifier) {
				token := golden(t, "ES256")
				says(t, v, token, nil)
				f.change(func() { change(f) })
				wait(29 * time.Second)
				says(t, v, token, nil)
				wait(3 * time.Second)
				says(t, v, token, ErrStale)
				f.change(func() {
					f.answers, f.before = nil, nil
					f.signer = func() (crypto.Signer, string) { return f.key, "feed-1" }
				})
				wait(10 * time.Second)
				says(t, v, token, nil)
			})
		})
	}
}

// TestAnOldSignedSnapshotDelaysAndDoesNotLie replays what the feed signed
// before a session ended.
func TestAnOldSignedSnapshotDelaysAndDoesNotLie(t *testing.T) {
	f := newFeed(t)
	f.end(otherSession)
	old := f.snapshot()
	f.end(goldenSession)
	replay := func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/api/v1/revocations":
			w.Write(old)
		case "/api/v1/revocations/stream": // cut off as well
			w.WriteHeader(502)
		default:
			return false
		}
		return true
	}
	f.before = replay
	following(t, f, func(t *testing.T, v *Verifier) {
		says(t, v, golden(t, "ES256"), ErrStale)
		f.change(func() { f.before = nil })
		wait(6 * time.Second)
		says(t, v, golden(t, "ES256"), ErrRevoked)

		f.change(func() { f.before = replay })
		v.follower.startOver()
		wait(20 * time.Second)
		says(t, v, golden(t, "ES256"), ErrRevoked)
		if !errors.Is(v.Stats().LastFault, errBack) {
			t.Fatalf("got %v", v.Stats().LastFault)
		}
	})
}

// TestAReloadRevivesNothingThatWasAcknowledged reloads, from a node that lags,
// a signed snapshot from before a batch that the stream delivered and whose
// answer was lost.
func TestAReloadRevivesNothingThatWasAcknowledged(t *testing.T) {
	f := newFeed(t)
	f.end(otherSession)
	following(t, f, func(t *testing.T, v *Verifier) {
		f.change(func() {
			f.before = func(w http.ResponseWriter, r *http.Request) bool { return r.Method == "POST" && down(w, r) }
		})
		f.end(goldenSession)
		wait(20 * time.Millisecond)
		says(t, v, golden(t, "ES256"), ErrRevoked)
		f.change(func() {
			f.lag, f.age = 1, 200*time.Millisecond
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				return strings.HasSuffix(r.URL.Path, "/stream") && down(w, r)
			}
		})
		v.follower.startOver()
		for range 50 {
			wait(100 * time.Millisecond)
			f.change(func() { f.age += 100 * time.Millisecond }) // the node sees nothing new
			says(t, v, golden(t, "ES256"), ErrRevoked)
		}
		if v.Stats().Reloads != 2 {
			t.Fatalf("%+v", v.Stats())
		}
		f.change(func() { f.lag, f.age, f.before = 0, 0, nil })
		wait(10 * time.Second)
		says(t, v, golden(t, "ES256"), ErrRevoked)
		if v.follower.held != nil {
			t.Fatal("the old set is held for ever")
		}
	})
}

func TestAnotherLogIsLoadedAndTheOldOneHeldUntilItIsProved(t *testing.T) {
	f := newFeed(t)
	f.end(goldenSession)
	f.end(otherSession)
	following(t, f, func(t *testing.T, v *Verifier) {
		token := golden(t, "ES256")
		f.change(func() { // the database went back: another log, with less in it
			f.log, f.batches = [16]byte{8, 8}, nil
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if q := r.URL.Path; r.Method == "POST" {
					return down(w, r)
				} else {
					return q == "never"
				}
			}
		})
		f.restart()
		wait(10 * time.Second)
		if v.Stats().Reloads != 2 {
			t.Fatalf("%+v", v.Stats())
		}
		says(t, v, token, ErrRevoked)
		f.change(func() { f.before = nil })
		wait(10 * time.Second)
		says(t, v, token, nil)
		f.end(goldenSession)
		wait(time.Second)
		says(t, v, token, ErrRevoked)
	})
}

func TestOnlyASignedFloorForgets(t *testing.T) {
	f := newFeed(t)
	f.end(goldenSession)
	f.end(otherSession, entry{kind: kindKey, name: "stolen"})
	following(t, f, func(t *testing.T, v *Verifier) {
		f.end(entry{kind: kindSession, id: [16]byte{4}})
		f.change(func() { f.answers = func(c map[string]any) { c["floor"] = 99 } })
		wait(2 * time.Second)
		if n := v.Stats().Entries; n != 4 {
			t.Fatalf("a floor above the head left %d entries", n)
		}
		f.change(func() { f.answers, f.floor = nil, 2 })
		wait(2 * time.Second)
		if n := v.Stats().Entries; n != 4 {
			t.Fatalf("entries of the snapshot count as its newest batch; %d are left", n)
		}
		f.change(func() { f.floor = 3 })
		wait(31 * time.Second)
		if n := v.Stats().Entries; n != 2 {
			t.Fatalf("%d entries are left", n)
		}
		says(t, v, golden(t, "ES256"), nil)
	})
}

func TestMoreThanTheCapIsNotHeld(t *testing.T) {
	f := newFeed(t)
	following(t, f, func(t *testing.T, v *Verifier) {
		for i := range 100 {
			f.end(entry{kind: kindSession, id: [16]byte{byte(i + 1)}})
		}
		wait(35 * time.Second)
		if s := v.Stats(); s.Entries > 40 {
			t.Fatalf("%+v", s)
		}
		says(t, v, golden(t, "ES256"), ErrStale)
	}, func(o *Options) { o.MaxFeedBytes = 1000 })
}
