package ratelimit

import (
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}
func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

func TestABurstOfNIsAllowedAndTheNextIsToldWhenToCome(t *testing.T) {
	c := newClock()
	l, r := New(c.now, 0), Rule{N: 5, Per: time.Hour}
	for i := range 5 {
		if ok, _ := l.Take("signup", r, "a"); !ok {
			t.Fatalf("try %d was refused", i+1)
		}
	}
	ok, wait := l.Take("signup", r, "a")
	if ok || wait != 12*time.Minute {
		t.Fatalf("sixth: %v, %s", ok, wait)
	}
	c.advance(wait - 1)
	if ok, _ := l.Take("signup", r, "a"); ok {
		t.Error("allowed a nanosecond too early")
	}
	c.advance(1)
	if ok, _ := l.Take("signup", r, "a"); !ok {
		t.Error("refused at the time that was told")
	}
	if ok, _ := l.Take("signup", r, "a"); ok {
		t.Error("one place came free, two were given")
	}
}

func TestARefusedTryDoesNotCount(t *testing.T) {
	c := newClock()
	l, r := New(c.now, 0), Rule{N: 1, Per: time.Minute}
	l.Take("x", r, "a")
	for range 100 {
		l.Take("x", r, "a")
	}
	c.advance(time.Minute)
	if ok, _ := l.Take("x", r, "a"); !ok {
		t.Error("knocking made the wait longer")
	}
}

func TestKeysAndNamesHaveBucketsOfTheirOwn(t *testing.T) {
	l, r := New(newClock().now, 0), Rule{N: 1, Per: time.Minute}
	for _, of := range [][2]string{{"x", "a"}, {"x", "b"}, {"y", "a"}, {"xa", ""}, {"", "xa"}} {
		if ok, _ := l.Take(of[0], r, of[1]); !ok {
			t.Errorf("%v shares a bucket", of)
		}
	}
}

func TestARefundGivesThePlaceBackAndNoMore(t *testing.T) {
	c := newClock()
	l, r := New(c.now, 0), Rule{N: 2, Per: time.Minute}
	l.Refund("x", r, "a")
	l.Take("x", r, "a")
	for range 10 {
		l.Refund("x", r, "a")
	}
	if l.Len() != 0 {
		t.Error("an empty bucket is remembered")
	}
	allowed := 0
	for range 10 {
		if ok, _ := l.Take("x", r, "a"); ok {
			allowed++
		}
	}
	if allowed != 2 {
		t.Errorf("%d were allowed, want 2", allowed)
	}
}

func TestOffAllowsEverything(t *testing.T) {
	l := New(newClock().now, 0)
	for range 1000 {
		if ok, _ := l.Take("x", Rule{}, "a"); !ok {
			t.Fatal("refused")
		}
		l.Refund("x", Rule{}, "a")
	}
	if l.Len() != 0 {
		t.Error("off remembers keys")
	}
}

func TestAFloodOfKeysStaysWithinTheBound(t *testing.T) {
	c := newClock()
	l, r := New(c.now, 1000), Rule{N: 3, Per: time.Hour}
	for i := range 100_000 {
		if ok, _ := l.Take("x", r, strconv.Itoa(i)); !ok {
			t.Fatal("a new key was refused")
		}
	}
	if l.Len() > 1000+shards {
		t.Errorf("%d keys are remembered", l.Len())
	}
}

func TestAFloodForgetsTheBucketsThatAreNearlyEmptyFirst(t *testing.T) {
	c := newClock()
	l, r := New(c.now, 1000), Rule{N: 20, Per: time.Hour}
	for range 20 {
		l.Take("x", r, "thief")
	}
	for i := range 2000 {
		l.Take("x", r, strconv.Itoa(i))
	}
	if ok, _ := l.Take("x", r, "thief"); ok {
		t.Error("the full bucket was forgotten before the empty ones")
	}
}

func TestThirtyTwoAtOnceGetExactlyTheirNumber(t *testing.T) {
	l, r := New(newClock().now, 0), Rule{N: 10, Per: time.Hour}
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if ok, _ := l.Take("x", r, "a"); ok {
				allowed.Add(1)
			}
		})
	}
	all.Wait()
	if allowed.Load() != 10 {
		t.Errorf("%d of 32 were allowed, want 10", allowed.Load())
	}
}

func TestRulesAreReadStrictlyAndWrittenAsTheyWereRead(t *testing.T) {
	for _, s := range []string{"off", "20/1h", "300/1m", "1/1s", "5/90s", "7/1h30m"} {
		r, err := ParseRule(s)
		if s == "5/90s" {
			s = "5/1m30s"
		}
		if err != nil || r.String() != s {
			t.Errorf("%q: %v, %v", s, r, err)
		}
		var again Rule
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%q came back as %v, %v", s, again, err)
		}
	}
	for _, s := range []string{"", "20", "/1h", "20/", "0/1h", "-1/1h", "+1/1h", "01/1h", "20/1", "20/10ms", "20/-1h", "20/1h/1h", "OFF", " 20/1h", "9999999/1h", "1/99999h", "20 / 1h"} {
		if r, err := ParseRule(s); err == nil {
			t.Errorf("%q was read as %v", s, r)
		}
	}
}

func TestANetworkIsAnIPv4AddressOrAnIPv6Prefix(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.7":     "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1::/48",
		"2001:db8:1:ffff::":    "2001:db8:1::/48",
		"fe80::1%eth0":         "fe80::/48",
	} {
		if got := NetworkKey(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := NetworkKey(netip.Addr{}); got != "unknown" {
		t.Error(got)
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add("20/1h")
	f.Add("off")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		if again, err := ParseRule(r.String()); err != nil || again != r {
			t.Errorf("%q is %v, which is read as %v, %v", s, r, again, err)
		}
		if !r.Off() && r.interval() <= 0 {
			t.Errorf("%q has no interval", s)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	l, r := New(time.Now, 0), Rule{N: 1 << 19, Per: time.Second}
	for b.Loop() {
		l.Take("x", r, "192.0.2.7")
	}
}

func TestAClockThatGoesBackRefusesNobodyForAsLong(t *testing.T) {
	c := newClock()
	l, r := New(c.now, 0), Rule{N: 5, Per: time.Minute}
	for range 5 {
		l.Take("login", r, "a")
	}
	c.advance(-24 * time.Hour)
	for i := range 5 {
		if ok, wait := l.Take("login", r, "a"); !ok {
			t.Fatalf("try %d has to wait %v", i+1, wait)
		}
	}
	if ok, wait := l.Take("login", r, "a"); ok || wait > r.Per {
		t.Errorf("the limit is gone: %v, %v", ok, wait)
	}
}
