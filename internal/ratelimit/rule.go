package ratelimit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rule allows N events within Per, as a burst or spread out. The zero Rule is
// "off" and allows everything.
type Rule struct {
	N   int
	Per time.Duration
}

// The bounds of a rule. They keep the interval between two events at a
// microsecond or more, and every sum of times far from overflowing.
const (
	maxN   = 1_000_000
	minPer = time.Second
	maxPer = 366 * 24 * time.Hour
)

// ParseRule reads "20/1h" or "off".
func ParseRule(s string) (Rule, error) {
	if s == "off" {
		return Rule{}, nil
	}
	count, per, ok := strings.Cut(s, "/")
	n, nErr := strconv.Atoi(count)
	d, dErr := time.ParseDuration(per)
	if !ok || nErr != nil || dErr != nil || strconv.Itoa(n) != count {
		return Rule{}, fmt.Errorf("%q is not a limit: want a number and a time such as 20/1h, or off", s)
	}
	if n < 1 || n > maxN || d < minPer || d > maxPer {
		return Rule{}, fmt.Errorf("%q is out of bounds: want 1 to %d within %s to %s", s, maxN, minPer, maxPer)
	}
	return Rule{N: n, Per: d}, nil
}

// Off reports whether the rule allows everything.
func (r Rule) Off() bool { return r.N <= 0 || r.Per <= 0 }

// String writes what ParseRule reads, without units that are zero.
func (r Rule) String() string {
	if r.Off() {
		return "off"
	}
	per := r.Per.String()
	if strings.HasSuffix(per, "m0s") {
		per = strings.TrimSuffix(per, "0s")
	}
	if strings.HasSuffix(per, "h0m") {
		per = strings.TrimSuffix(per, "0m")
	}
	return strconv.Itoa(r.N) + "/" + per
}

// MarshalText implements encoding.TextMarshaler.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rule) UnmarshalText(b []byte) error {
	parsed, err := ParseRule(string(b))
	if err == nil {
		*r = parsed
	}
	return err
}
