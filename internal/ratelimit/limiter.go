package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"
)

// shards keeps callers on different keys from waiting for one lock.
const shards = 32

// defaultMaxKeys takes about 4 MB when full.
const defaultMaxKeys = 100_000

// Limiter is a set of buckets. It is safe for concurrent use.
//
// The arithmetic is GCRA (the "virtual scheduling" form of ITU-T I.371): one
// moment per key, the time at which the bucket would be empty again. Nothing
// has to run in the background.
type Limiter struct {
	clock  func() time.Time
	seed   maphash.Seed
	limit  int // keys in one shard
	shards [shards]shard
}

// shard maps the hash of a key to the moment at which its bucket is empty
// again. Keys are hashed under a random seed: names of any length take 16
// bytes, and nobody can choose two that meet.
type shard struct {
	mu      sync.Mutex
	emptyAt map[uint64]int64
}

// New makes a Limiter that remembers about maxKeys keys; 0 is 100,000. When it
// is full, the buckets closest to empty are forgotten first.
func New(clock func() time.Time, maxKeys int) *Limiter {
	if maxKeys <= 0 {
		maxKeys = defaultMaxKeys
	}
	l := &Limiter{clock: clock, seed: maphash.MakeSeed(), limit: (maxKeys + shards - 1) / shards}
	for i := range l.shards {
		l.shards[i].emptyAt = map[uint64]int64{}
	}
	return l
}

// Take counts one event of key under the rule of that name. ok is false when
// there have been too many; the event then doesn't count, and retryAfter says
// when the next one will be allowed.
func (l *Limiter) Take(name string, r Rule, key string) (ok bool, retryAfter time.Duration) {
	ok, next, _ := l.take(name, r, key)
	if ok {
		return true, 0
	}
	return false, next
}

// take is Take that also tells how many more would be allowed at this moment,
// and when the next one will be if none.
func (l *Limiter) take(name string, r Rule, key string) (ok bool, next time.Duration, left int) {
	if r.Off() {
		return true, 0, 0
	}
	now := l.clock().UnixNano()
	s, id := l.find(name, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.emptyAt[id]
	if before > now+int64(r.Per) { // the clock went back: nobody waits for as long as it did
		before = now
	}
	after := max(before, now) + r.interval()
	room := r.interval()*int64(r.N) - (after - now)
	if room < 0 {
		return false, time.Duration(-room), 0
	}
	if !known {
		s.makeRoom(l.limit, now)
	}
	s.emptyAt[id] = after
	return true, time.Duration(r.interval() - room), int(room / r.interval())
}

// Refund takes back one event, for work that was refused elsewhere or turned
// out to be right.
func (l *Limiter) Refund(name string, r Rule, key string) {
	if r.Off() {
		return
	}
	now := l.clock().UnixNano()
	s, id := l.find(name, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.emptyAt[id]
	if !known {
		return
	}
	if after := before - r.interval(); after > now {
		s.emptyAt[id] = after
	} else {
		delete(s.emptyAt, id)
	}
}

// Len is how many keys are remembered.
func (l *Limiter) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.emptyAt)
		s.mu.Unlock()
	}
	return n
}

// interval is the time that one event takes to drain.
func (r Rule) interval() int64 { return int64(r.Per) / int64(r.N) }

// find hashes the name and the key with a NUL between them; no name holds one.
func (l *Limiter) find(name, key string) (*shard, uint64) {
	var h maphash.Hash
	h.SetSeed(l.seed)
	_, _ = h.WriteString(name)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(key)
	id := h.Sum64()
	return &l.shards[id%shards], id
}

// sample is how many keys are looked at to make room for one.
const sample = 8

// makeRoom drops the empty buckets among a few random ones, and at least the
// one closest to empty, so that a flood of new keys costs the same as any
// other call and can't grow the map.
func (s *shard) makeRoom(limit int, now int64) {
	if len(s.emptyAt) < limit {
		return
	}
	var (
		least   uint64
		leastAt int64
		seen    int
	)
	for id, at := range s.emptyAt { // Go starts at a random key
		if at <= now {
			delete(s.emptyAt, id)
		}
		if seen == 0 || at < leastAt {
			least, leastAt = id, at
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(s.emptyAt, least)
}
