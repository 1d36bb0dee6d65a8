package tokens

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
)

// This file explores every interleaving of an honest client, within small
// bounds, against a rule for refresh tokens: tabs that share one store, lost
// answers (a crash of the client or the node after the commit is the same) and
// a request that the network repeats. Time moves in halves of the window.
//
// The client keeps the promise's conditions: it stores an answer before it
// uses it, reads its store before it refreshes, and presents no token later
// than one window after its first use. Traces that break the last condition
// are cut off, or, where "late" is set, must end the family at that moment.

const (
	modelTabs   = 3
	modelTokens = 5 // tokens 1 to 5 exist at most
	modelTime   = 4 // half windows
	never       = -1
)

// modelFamily is what the server knows. Tokens are numbered in the order they
// were made; under every rule but the forking one that is their generation.
type modelFamily struct {
	made  int8
	first [modelTokens + 1]int8 // when each token was first used, or never
	ended bool
}

// live counts the tokens that would still be exchanged for a new one.
func (f modelFamily) live() int {
	n := 0
	for token := int8(1); token <= f.made; token++ {
		if f.first[token] == never {
			n++
		}
	}
	return n
}

// exchange uses a token for the first time and makes another.
func (f *modelFamily) exchange(token, now int8) int8 {
	if f.first[token] == never {
		f.first[token] = now
	}
	f.made++
	return f.made
}

func (f *modelFamily) end() int8 { f.ended = true; return 0 }

// rule answers a presented token with another, or 0 for "refused".
type rule func(f *modelFamily, token, now int8) int8

const halfWindow = 15 * time.Second

var modelStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func modelMoment(now int8) time.Time { return modelStart.Add(time.Duration(now) * halfWindow) }

func modelHash(token int8) secrets.Hash { return secrets.Hash{byte(token)} }

// ourRule is the product's own decision, line.judge.
func ourRule(f *modelFamily, token, now int8) int8 {
	l := line{generation: uint32(f.made), hash: modelHash(f.made)}
	for t := int8(1); t < f.made; t++ {
		l.recent = append(l.recent, used{generation: uint32(t), hash: modelHash(t), at: modelMoment(f.first[t])})
	}
	switch v, _ := l.judge(uint32(token), modelHash(token), modelMoment(now), 2*halfWindow); v {
	case rotate:
		return f.exchange(token, now)
	case repeat:
		return f.made
	}
	return f.end()
}

// naiveRule: every reuse kills.
func naiveRule(f *modelFamily, token, now int8) int8 {
	if token == f.made {
		return f.exchange(token, now)
	}
	return f.end()
}

// forkingRule: within the window every retry gets a fresh successor.
func forkingRule(f *modelFamily, token, now int8) int8 {
	if first := f.first[token]; first == never || now-first <= 2 {
		return f.exchange(token, now)
	}
	return f.end()
}

// latestRule: only the latest used token is forgiven, until its successor is used.
func latestRule(f *modelFamily, token, now int8) int8 {
	switch {
	case token == f.made:
		return f.exchange(token, now)
	case token == f.made-1 && now-f.first[token] <= 2:
		return f.made
	}
	return f.end()
}

// parentRule: the parent of the current token is forgiven for ever.
func parentRule(f *modelFamily, token, now int8) int8 {
	switch token {
	case f.made:
		return f.exchange(token, now)
	case f.made - 1:
		return f.made
	}
	return f.end()
}

// modelTab is one tab of the client.
type modelTab struct {
	state int8 // idle, sent or answered
	token int8 // on its way there, or back
}

const (
	idle = iota
	sent
	answered
)

// world is one state of client, network and server.
type world struct {
	family  modelFamily
	now     int8
	store   int8 // the token that the tabs share
	tabs    [modelTabs]modelTab
	again   int8 // a request that the network holds to deliver once more
	repeats int8 // how many of those it may still make
	losses  int8 // how many answers may still be lost
	late    bool // presentations after the window are made too
	bad     found
}

// found are the traces' bad ends.
type found struct {
	loggedOut bool // by a presentation within the window
	forked    bool
	forgiven  bool // a presentation after the window did not end the family
}

// bounds are how much may happen in a trace.
type bounds struct {
	tabs            int
	repeats, losses int8
	late            bool
}

// explore visits every reachable state once and counts them.
func explore(t *testing.T, r rule, b bounds) (found, int) {
	t.Helper()
	start := world{store: 1, repeats: b.repeats, losses: b.losses, late: b.late}
	start.family.made = 1
	for i := range start.family.first {
		start.family.first[i] = never
	}
	var bad found
	seen := map[world]bool{start: true}
	for todo := []world{start}; len(todo) > 0; {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		bad.loggedOut = bad.loggedOut || w.bad.loggedOut
		bad.forgiven = bad.forgiven || w.bad.forgiven
		bad.forked = bad.forked || w.family.live() > 1
		if w.family.ended {
			continue
		}
		for _, next := range w.steps(r, b.tabs) {
			if !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return bad, len(seen)
}

// steps are all states that may follow.
func (w world) steps(r rule, tabs int) (next []world) {
	if w.now < modelTime {
		later := w
		later.now++
		next = append(next, later)
	}
	if w.again != 0 {
		if after, ok := w.present(r, w.again); ok {
			after.again = 0
			next = append(next, after.world)
		}
	}
	for i := range tabs {
		next = append(next, w.tabSteps(r, i)...)
	}
	return next
}

func (w world) tabSteps(r rule, i int) (next []world) {
	switch tab := w.tabs[i]; tab.state {
	case idle:
		w.tabs[i] = modelTab{sent, w.store}
		return []world{w}
	case answered:
		w.tabs[i], w.store = modelTab{}, tab.token
		return []world{w}
	default:
		return w.arrivals(r, i)
	}
}

// arrivals are what may happen when a tab's request reaches the server.
func (w world) arrivals(r rule, i int) (next []world) {
	after, ok := w.present(r, w.tabs[i].token)
	if !ok {
		return nil
	}
	ways := []presented{after}
	if w.repeats > 0 {
		twice := after
		twice.repeats, twice.again = w.repeats-1, w.tabs[i].token
		ways = append(ways, twice)
	}
	for _, way := range ways {
		got := way.world
		got.tabs[i] = modelTab{answered, way.answer}
		next = append(next, got)
		if w.losses > 0 {
			lost := way.world
			lost.tabs[i], lost.losses = modelTab{}, w.losses-1
			next = append(next, lost)
		}
	}
	return next
}

type presented struct {
	world
	answer int8
}

// present lets the server decide. It is not ok when the trace leaves the
// bounds, or the conditions of the promise.
func (w world) present(r rule, token int8) (presented, bool) {
	first := w.family.first[token]
	late := first != never && w.now-first > 2
	if w.family.made == modelTokens || late && !w.late {
		return presented{}, false
	}
	answer := r(&w.family, token, w.now)
	w.bad.loggedOut = w.family.ended && !late
	w.bad.forgiven = late && !w.family.ended
	return presented{w, answer}, true
}

func TestModelOfTheRefreshRules(t *testing.T) {
	small := bounds{tabs: 2, repeats: 1, losses: 2}
	large := bounds{tabs: 3, repeats: 1, losses: 2}
	tests := []struct {
		name string
		rule rule
		long bool // only where there is time for it
		in   bounds
		want found
	}{
		{"ours", ourRule, false, small, found{}},
		{"ours", ourRule, false, bounds{tabs: 3, losses: 1}, found{}},
		{"ours", ourRule, true, large, found{}},
		{"ours, and tokens after the window", ourRule, false, bounds{tabs: 2, repeats: 1, losses: 1, late: true}, found{}},
		{"ours, and tokens after the window", ourRule, true, bounds{tabs: 3, repeats: 1, losses: 2, late: true}, found{}},
		{"every reuse kills: one lost answer", naiveRule, false, bounds{tabs: 1, losses: 1}, found{loggedOut: true}},
		{"every reuse kills: nothing lost", naiveRule, false, bounds{tabs: 2}, found{loggedOut: true}},
		{"every reuse kills", naiveRule, true, large, found{loggedOut: true}},
		{"a fresh successor for each retry", forkingRule, false, bounds{tabs: 1, losses: 1}, found{forked: true}},
		{"a fresh successor for each retry", forkingRule, true, large, found{forked: true}},
		{"only the latest, until its successor is used: nothing lost", latestRule, false, bounds{tabs: 2}, found{loggedOut: true}},
		{"only the latest, until its successor is used", latestRule, true, large, found{loggedOut: true}},
		{"the parent, for ever: nothing lost", parentRule, false, bounds{tabs: 2}, found{loggedOut: true}},
		{"the parent, for ever: nothing lost, after the window", parentRule, false, bounds{tabs: 2, late: true}, found{loggedOut: true, forgiven: true}},
		{"the parent, for ever", parentRule, true, large, found{loggedOut: true}},
	}
	for _, test := range tests {
		if test.long && !testkit.Proving() {
			continue
		}
		in := fmt.Sprintf("tabs %d, repeats %d, lost answers %d", test.in.tabs, test.in.repeats, test.in.losses)
		t.Run(test.name+": "+in, func(t *testing.T) {
			got, states := explore(t, test.rule, test.in)
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			testkit.Found(t, testkit.Finding{
				Proof: "F1", Case: test.name + "; " + in, Tried: fmt.Sprintf("%d states, all that can be reached", states), Found: got.String(),
			})
		})
	}
}

// String says in words what a rule does to an honest owner.
func (f found) String() string {
	var words []string
	for _, w := range []struct {
		is  bool
		say string
	}{
		{f.loggedOut, "logs an honest owner out"}, {f.forked, "has two live tokens"}, {f.forgiven, "forgives after the window"},
	} {
		if w.is {
			words = append(words, w.say)
		}
	}
	if len(words) == 0 {
		return "nobody logged out, never two live tokens"
	}
	return strings.Join(words, ", ")
}

// thiefSeenAfter lets owner and thief present each token in turn, the thief
// `behind` half windows after the owner, and answers in which round the family
// ended; 0 is that nobody noticed. Each of the two goes on with the answers it
// got itself.
func thiefSeenAfter(r rule, behind int8) int {
	const rounds = 50
	f := modelFamily{made: 1, first: [modelTokens + 1]int8{never, never, never, never, never, never}}
	owner, thief, now := int8(1), int8(1), int8(0)
	for round := 1; round <= rounds; round++ {
		if owner = r(&f, owner, now); f.ended {
			return round
		}
		if thief = r(&f, thief, now+behind); f.ended {
			return round
		}
		f, owner, thief = f.renumber(owner, thief)
		now = 0
	}
	return 0
}

// renumber forgets the tokens that neither owner nor thief will present again
// and starts the time anew, long after whatever was used before.
func (f modelFamily) renumber(owner, thief int8) (modelFamily, int8, int8) {
	g := modelFamily{}
	for i := range g.first {
		g.first[i] = never
	}
	low, high := min(owner, thief), max(owner, thief)
	number := func(token int8) int8 { return token - low + 1 }
	g.made = number(max(high, f.made))
	for token := low; token <= f.made; token++ {
		if f.first[token] != never {
			g.first[number(token)] = -100
		}
	}
	return g, number(owner), number(thief)
}

func TestModelOfAThiefInStepWithTheOwner(t *testing.T) {
	tests := []struct {
		name   string
		rule   rule
		behind int8
		want   int
	}{
		{"ours, beyond the window", ourRule, 3, 1},
		{"ours, within the window", ourRule, 2, 0}, // no rule that forgives tabs can tell them apart
		{"every reuse kills", naiveRule, 1, 1},
		{"the parent for ever, beyond the window", parentRule, 3, 0},
		{"a fresh successor each, within the window", forkingRule, 1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := thiefSeenAfter(test.rule, test.behind)
			if got != test.want {
				t.Errorf("noticed in round %d, want %d", got, test.want)
			}
			seen := fmt.Sprintf("noticed in round %d", got)
			if got == 0 {
				seen = "not noticed in 50 rounds"
			}
			testkit.Found(t, testkit.Finding{Proof: "F2", Case: test.name, Tried: "a thief who follows the owner token by token", Found: seen})
		})
	}
}
