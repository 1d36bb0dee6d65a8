package ratelimit

import (
	"context"
	"net/netip"
	"time"

	"gatehouse/internal/apperr"
)

// Limits are the limits of the table, each with the rule that an operator gave it.
// Take counts in memory; what the table has as shared is counted by its room in the
// database. A nil Limits limits nothing.
type Limits struct {
	buckets *Limiter
	rules   map[Name]Rule
}

// NewLimits puts rules on buckets. A name without a rule is off.
func NewLimits(buckets *Limiter, rules map[Name]Rule) *Limits { return &Limits{buckets, rules} }

// Rule is the rule of a limit.
func (l *Limits) Rule(name Name) Rule {
	if l == nil {
		return Rule{}
	}
	return l.rules[name]
}

// Take counts one event of key. When there have been too many the event does
// not count, and the error says when the next one will be allowed. Who watches
// ctx is told how the limit stands.
func (l *Limits) Take(ctx context.Context, name Name, key string) error {
	rule := l.Rule(name)
	if rule.Off() {
		return nil
	}
	ok, next, left := l.buckets.take(string(name), rule, key)
	next = max(next, time.Second)
	tell(ctx, State{Name: name, Rule: rule, Left: left, Next: next, Refused: !ok})
	if ok {
		return nil
	}
	return apperr.Throttle("too_many_attempts", next)
}

// TakeNetwork is Take for the network of an address in its text form.
func (l *Limits) TakeNetwork(ctx context.Context, name Name, ip string) error {
	return l.Take(ctx, name, NetworkOf(ip))
}

// Refund takes back one event, for work that was refused elsewhere.
func (l *Limits) Refund(name Name, key string) {
	if rule := l.Rule(name); !rule.Off() {
		l.buckets.Refund(string(name), rule, key)
	}
}

// RefundNetwork is Refund for the network of an address.
func (l *Limits) RefundNetwork(name Name, ip string) { l.Refund(name, NetworkOf(ip)) }

// NetworkOf is NetworkKey of an address in its text form.
func NetworkOf(ip string) string {
	addr, _ := netip.ParseAddr(ip) // what is no address shares one key
	return NetworkKey(addr)
}

// State is how a limit stands after an event: Left more would be allowed now,
// and when there is nothing left, the next one after Next.
type State struct {
	Name    Name
	Rule    Rule
	Left    int
	Next    time.Duration
	Refused bool
}

type watchKey struct{}

// Watch has f told of every limit that is taken under the context, so that an
// answer can say how the limits of its caller stand.
func Watch(ctx context.Context, f func(State)) context.Context {
	return context.WithValue(ctx, watchKey{}, f)
}

func tell(ctx context.Context, s State) {
	if f, ok := ctx.Value(watchKey{}).(func(State)); ok {
		f(s)
	}
}
