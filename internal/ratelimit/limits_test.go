package ratelimit

import (
	"context"
	"regexp"
	"testing"
	"time"

	"gatehouse/internal/apperr"
)

func TestALimitTellsWhoWatchesHowItStands(t *testing.T) {
	c := newClock()
	l := NewLimits(New(c.now, 0), map[Name]Rule{Signup: {N: 3, Per: time.Hour}})
	var states []State
	ctx := Watch(context.Background(), func(s State) { states = append(states, s) })
	for range 3 {
		if err := l.Take(ctx, Signup, "a"); err != nil {
			t.Fatal(err)
		}
	}
	err := l.Take(ctx, Signup, "a")
	if e := apperr.From(err); e == nil || e.Kind != apperr.Throttled || e.RetryAfter != 20*time.Minute {
		t.Fatalf("the fourth: %v", err)
	}
	want := []string{`"signup";r=2;t=2400`, `"signup";r=1;t=1200`, `"signup";r=0;t=1200`, `"signup";r=0;t=1200`}
	for i, s := range states {
		if s.Item() != want[i] || s.Policy() != `"signup";q=3;w=3600` {
			t.Errorf("%d: %s, %s", i, s.Item(), s.Policy())
		}
	}
	if len(states) != len(want) {
		t.Errorf("%d were told", len(states))
	}
	l.Refund(Signup, "a")
	if err := l.Take(ctx, Signup, "a"); err != nil {
		t.Error("a refund gave nothing back")
	}
}

// A client that divides what is left by the window must not come to more than
// the rule (draft-ietf-httpapi-ratelimit-headers-11, section 8.5).
func TestNoAnswerPromisesMoreThanTheRule(t *testing.T) {
	c := newClock()
	rule := Rule{N: 300, Per: time.Minute}
	l := NewLimits(New(c.now, 0), map[Name]Rule{Login: rule})
	ctx := Watch(context.Background(), func(s State) {
		if s.Left > 0 && float64(s.Left)/time.Duration(s.Left*int(s.Rule.interval())).Seconds() > 5.0001 {
			t.Errorf("%s is more than 5 a second", s.Item())
		}
	})
	for range 400 {
		_ = l.Take(ctx, Login, "a")
		c.advance(37 * time.Millisecond)
	}
}

func TestALimitThatIsOffCountsAndTellsNothing(t *testing.T) {
	ctx := Watch(context.Background(), func(State) { t.Error("told") })
	for _, l := range []*Limits{nil, NewLimits(New(newClock().now, 0), nil)} {
		for range 1000 {
			if err := l.Take(ctx, Login, "a"); err != nil {
				t.Fatal(err)
			}
		}
		l.Refund(Login, "a")
	}
}

func TestTheAddressesOfANetworkShareALimit(t *testing.T) {
	l := NewLimits(New(newClock().now, 0), map[Name]Rule{Login: {N: 1, Per: time.Hour}})
	for _, c := range []struct {
		ip string
		ok bool
	}{{"2001:db8:1::1", true}, {"2001:db8:1:ffff::2", false}, {"2001:db8:2::1", true}, {"192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true}, {"", true}, {"what", false}} {
		if err := l.TakeNetwork(context.Background(), Login, c.ip); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.ip, err)
		}
	}
	l.RefundNetwork(Login, "192.0.2.1")
	if err := l.TakeNetwork(context.Background(), Login, "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

func TestTheTableNamesEachLimitOnceAndInWords(t *testing.T) {
	seen := map[Name]bool{}
	for _, row := range Table {
		if seen[row.Name] || row.What == "" || row.Key == "" || !regexp.MustCompile(`^LIMIT_[A-Z_]+$`).MatchString(row.Setting) {
			t.Errorf("row %+v", row)
		}
		// The name stands in a header as a string of RFC 9651, section 3.3.3.
		if !regexp.MustCompile(`^[a-z_]+$`).MatchString(string(row.Name)) {
			t.Errorf("%q cannot stand in a header", row.Name)
		}
		seen[row.Name] = true
	}
}
