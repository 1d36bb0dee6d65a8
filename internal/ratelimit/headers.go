package ratelimit

import (
	"fmt"
	"math"
	"time"
)

// The fields of draft-ietf-httpapi-ratelimit-headers-11 (23 May 2026), which
// are lists of structured fields (RFC 9651). Their names and forms were others
// in the drafts before the eighth.
const (
	PolicyHeader = "RateLimit-Policy"
	StateHeader  = "RateLimit"
)

// Policy is the item of the rule (section 3.1): the same for all answers.
func (s State) Policy() string {
	return fmt.Sprintf("%q;q=%d;w=%d", string(s.Name), s.Rule.N, seconds(s.Rule.Per))
}

// Item is the item of the state (section 4.1). The window is the time in which
// what is left would be used up at the pace of the rule, and not the moment at
// which one more comes free: a client that divides the one by the other must
// not find more than the rule gives (section 8.5). With nothing left it is the
// wait, the same as Retry-After (section 6). No partition key is told: it would
// be an address or an account (section 8.2).
func (s State) Item() string {
	window := s.Next
	if s.Left > 0 {
		window = time.Duration(s.Left) * time.Duration(s.Rule.interval())
	}
	return Item(string(s.Name), s.Left, window)
}

// Item is a state without a policy, for limits that have no one rule.
func Item(name string, left int, window time.Duration) string {
	return fmt.Sprintf("%q;r=%d;t=%d", name, left, max(seconds(window), 1))
}

func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }
