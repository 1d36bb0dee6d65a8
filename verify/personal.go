package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"
)

// How long an answer about a personal token is believed, and how many of them
// are kept. A token that ended, or whose owner did, is refused before that, as
// soon as the ending is known here.
const (
	goodFor    = 5 * time.Second
	badFor     = 2 * time.Second
	maxGood    = 4096
	maxBad     = 1024
	maxAsking  = 32 // questions at once; who comes then waits
	askingTime = 5 * time.Second
	askRounds  = 3
)

// PersonalSource tells what a personal token is good for at this moment. The
// issuer's own server hands one in; every other service asks the issuer.
type PersonalSource interface {
	// Introspect answers ErrInactive for a token that is unknown or has ended,
	// and any other error when it cannot tell.
	Introspect(ctx context.Context, token string) (*Principal, error)
}

// tokenHash is what answers are kept under, so that no token stays in memory.
type tokenHash = [sha256.Size]byte

// personals asks about personal tokens and remembers answers for seconds.
type personals struct {
	source PersonalSource
	now    func() instant
	slots  chan struct{}

	mu     sync.Mutex
	good   map[tokenHash]told
	bad    map[tokenHash]told
	asking map[tokenHash]*asked
}

// told is an answer, and when its question was asked.
type told struct {
	principal *Principal
	err       error // a refusal
	at        instant
}

// asked is a question under way; many may wait for its answer.
type asked struct {
	done chan struct{}
	told
}

func newPersonals(source PersonalSource, now func() instant) *personals {
	return &personals{source: source, now: now, slots: make(chan struct{}, maxAsking),
		good: map[tokenHash]told{}, bad: map[tokenHash]told{}, asking: map[tokenHash]*asked{}}
}

// verifyPersonal judges a personal token by an answer of its issuer, and that
// answer by what has ended since. Where the answer is older than an ending the
// issuer is asked again: a raised epoch may mean new roles as well as an end.
func (v *Verifier) verifyPersonal(ctx context.Context, token string) (*Principal, time.Duration, error) {
	if !WellFormedPersonal(token) {
		return nil, 0, ErrPersonalForm
	}
	if v.personal == nil {
		return nil, 0, ErrPersonalOff
	}
	key := sha256.Sum256([]byte(token))
	for range askRounds {
		p, mine, err := v.personal.get(ctx, key, token)
		if err != nil {
			return nil, 0, err
		}
		if !slices.Contains(p.Audience, v.audience) {
			return nil, 0, ErrAudience
		}
		admitted, age, err := v.admit(p, p.ExpiresAt.Unix())
		if mine || !errors.Is(err, ErrRevoked) {
			return admitted, age, err
		}
		v.personal.forget(key)
	}
	return nil, 0, ErrRevoked
}

// get is an answer from memory or from the source. mine says that it was asked
// after this call began.
func (s *personals) get(ctx context.Context, key tokenHash, token string) (p *Principal, mine bool, err error) {
	s.mu.Lock()
	if t, ok := s.remembered(key); ok {
		s.mu.Unlock()
		return t.principal, false, t.err
	}
	a, running := s.asking[key]
	if !running {
		a = &asked{done: make(chan struct{}), told: told{at: s.now()}}
		s.asking[key] = a
		// The question does not end with the request that asked it, since
		// others may wait for it; its own time limit bounds it.
		go s.ask(context.WithoutCancel(ctx), key, token, a)
	}
	s.mu.Unlock()
	select {
	case <-a.done:
		return a.principal, !running, a.err
	case <-ctx.Done():
		return nil, false, ErrPersonalUnavailable.because(ctx.Err())
	}
}

// remembered is an answer that is young enough. A clock that was set back
// makes none younger.
func (s *personals) remembered(key tokenHash) (told, bool) {
	t, ok := s.good[key]
	limit := goodFor
	if !ok {
		t, ok = s.bad[key]
		limit = badFor
	}
	now := s.now()
	return t, ok && now.unix >= t.at.unix && t.age(now) < limit
}

func (t told) age(now instant) time.Duration {
	return max(now.since(t.at), time.Duration(now.unix-t.at.unix)*time.Second)
}

func (s *personals) ask(ctx context.Context, key tokenHash, token string, a *asked) {
	ctx, cancel := context.WithTimeout(ctx, askingTime)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		a.principal, a.err = s.source.Introspect(ctx, token)
		<-s.slots
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	refusal, ok := errors.AsType[*Error](a.err)
	if a.err != nil && (!ok || refusal.Code == CodeUnavailable) {
		a.err = ErrPersonalUnavailable.because(a.err)
	}
	s.mu.Lock()
	delete(s.asking, key)
	switch {
	case a.err == nil:
		keep(s.good, key, a.told, maxGood)
	case ok && refusal.Code != CodeUnavailable:
		delete(s.good, key)
		keep(s.bad, key, a.told, maxBad) // apart, so that guesses push nobody out
	}
	s.mu.Unlock()
	close(a.done)
}

// keep stores an answer and pushes any other out where there is no room.
func keep(m map[tokenHash]told, key tokenHash, t told, most int) {
	if len(m) >= most {
		for other := range m {
			delete(m, other)
			break
		}
	}
	m[key] = t
}

func (s *personals) forget(key tokenHash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.good, key)
}
