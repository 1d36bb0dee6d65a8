package verify

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// remembered is a token that was verified. It never changes.
type remembered struct {
	hash      uint64
	token     string
	principal *Principal
	key       *preparedKey
	expires   int64
	bytes     int64
}

// cache remembers verified tokens. A hit needs the whole token to be equal,
// byte for byte: the hash only says where to look, so neither a cut or
// extended token nor a crafted collision can hit. The hash has a random seed
// of this process, so collisions cannot be crafted either.
//
// It is a table of buckets with a few places each: a look-up is one hash, a
// few atomic loads and one comparison, without a lock and without allocation.
// Writers lock one of several shards. Only tokens with a valid signature get
// in, so a stranger cannot push anybody out.
type cache struct {
	seed   maphash.Seed
	shards []shard
}

const (
	ways      = 4  // places in a bucket
	maxShards = 16 // each with its own lock for writers
)

type shard struct {
	mu     sync.Mutex
	places []atomic.Pointer[remembered] // buckets of ways places
	hand   int                          // where making room went on last
	bytes  int64
	limit  int64
}

// newCache makes a cache for about size tokens (rounded up to a power of two)
// in at most limit bytes. size < 1 is no cache.
func newCache(size int, limit int64) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	if size < 1 {
		return c
	}
	places := ways
	for places < size {
		places *= 2
	}
	n := min(maxShards, places/ways)
	c.shards = make([]shard, n)
	for i := range c.shards {
		c.shards[i].places = make([]atomic.Pointer[remembered], places/n)
		c.shards[i].limit = limit / int64(n)
	}
	return c
}

func (c *cache) get(token string) *remembered {
	if len(c.shards) == 0 {
		return nil
	}
	hash := maphash.String(c.seed, token)
	bucket := c.shard(hash).bucket(hash)
	for i := range bucket {
		if e := bucket[i].Load(); e != nil && e.hash == hash && e.token == token {
			return e
		}
	}
	return nil
}

func (c *cache) shard(hash uint64) *shard { return &c.shards[hash%uint64(len(c.shards))] }

func (s *shard) bucket(hash uint64) []atomic.Pointer[remembered] {
	n := uint64(len(s.places) / ways)
	at := (hash >> 32) % n * ways
	return s.places[at : at+ways : at+ways]
}

// put remembers a token until it expires, in an empty or expired place of its
// bucket, or in that of the token that expires first.
func (c *cache) put(token string, p *Principal, key *preparedKey, now int64) {
	if len(c.shards) == 0 {
		return
	}
	hash := maphash.String(c.seed, token)
	// The clone keeps the header of the request from living as long as we do.
	e := &remembered{hash: hash, token: strings.Clone(token), principal: p, key: key, expires: p.ExpiresAt.Unix()}
	e.bytes = weigh(e)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	place := s.choose(hash, token, now)
	s.replace(place, nil)
	if !s.makeRoom(e.bytes, now) {
		return
	}
	s.replace(place, e)
}

func (s *shard) choose(hash uint64, token string, now int64) *atomic.Pointer[remembered] {
	bucket := s.bucket(hash)
	best, soonest := &bucket[0], int64(maxDate+1)
	for i := range bucket {
		e, until := bucket[i].Load(), int64(0)
		if e != nil && e.hash == hash && e.token == token {
			return &bucket[i]
		}
		if e != nil && e.expires > now {
			until = e.expires
		}
		if until < soonest {
			best, soonest = &bucket[i], until
		}
	}
	return best
}

func (s *shard) replace(place *atomic.Pointer[remembered], e *remembered) {
	if old := place.Swap(e); old != nil {
		s.bytes -= old.bytes
	}
	if e != nil {
		s.bytes += e.bytes
	}
}

// makeRoom empties places from the hand on, going round once at most, until
// need more bytes fit.
func (s *shard) makeRoom(need, now int64) bool {
	for range s.places {
		if s.bytes+need <= s.limit {
			return true
		}
		s.replace(&s.places[s.hand], nil)
		s.hand = (s.hand + 1) % len(s.places)
	}
	return s.bytes+need <= s.limit
}

// weigh estimates what an entry keeps alive: the token, the payload that the
// claims are parts of (three quarters of the token at most), and the structs.
func weigh(e *remembered) int64 {
	p := e.principal
	words := len(p.AMR) + len(p.Scope) + len(p.Roles) + len(p.Audience)
	fixed := unsafe.Sizeof(*e) + unsafe.Sizeof(*p) + uintptr(words)*unsafe.Sizeof("")
	return int64(fixed) + int64(len(e.token))*7/4
}
