package verify

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

// endedSet answers "is this token ended?" for every request. Look-ups take no
// lock and allocate nothing, however much is being added beside them; writers
// are serialised by the follower.
type endedSet struct {
	sessions, tokens, subjects idSet
	clients, keys              nameSet
}

// newEndedSet makes room for about count ids, which are nearly all sessions.
func newEndedSet(count int) *endedSet {
	s := &endedSet{}
	seed := maphash.MakeSeed()
	for _, ids := range []*idSet{&s.sessions, &s.tokens, &s.subjects} {
		ids.seed = seed
	}
	s.sessions.reserve(count)
	return s
}

// add applies the entries of one batch, or a part of a snapshot. Applying them
// again changes nothing but the batch that keeps them alive.
func (s *endedSet) add(entries []entry, seq uint64) {
	for i := range entries {
		switch e := &entries[i]; e.kind {
		case kindSession:
			s.sessions.add(&e.id, 1, seq)
		case kindToken:
			s.tokens.add(&e.id, 1, seq)
		case kindSubject:
			s.subjects.add(&e.id, e.epoch, seq)
		}
	}
	s.clients.add(entries, kindClient, seq)
	s.keys.add(entries, kindKey, seq)
}

// drop forgets what was sealed in batches below floor: every token that it
// refuses has expired. Keys are never forgotten, because whoever stole one
// writes any exp.
func (s *endedSet) drop(floor uint64) {
	s.sessions.drop(floor)
	s.tokens.drop(floor)
	s.subjects.drop(floor)
	s.clients.drop(floor)
}

// absorb adds everything that other holds.
func (s *endedSet) absorb(other *endedSet) {
	s.sessions.absorb(&other.sessions)
	s.tokens.absorb(&other.tokens)
	s.subjects.absorb(&other.subjects)
	s.clients.absorb(&other.clients)
	s.keys.absorb(&other.keys)
}

// size is how many entries it holds.
func (s *endedSet) size() int64 {
	return s.sessions.size.Load() + s.tokens.size.Load() + s.subjects.size.Load() +
		int64(len(s.clients.all())) + int64(len(s.keys.all()))
}

// revoked judges a verified token. A token without an epoch is older than any
// epoch that was raised.
func (s *endedSet) revoked(p *Principal) bool {
	if s.sessions.epochOf(&p.SID) > 0 || s.tokens.epochOf(&p.JTI) > 0 {
		return true
	}
	if epoch := s.subjects.epochOf(&p.Sub); epoch > 0 && (!p.HasGeneration || p.Generation < epoch) {
		return true
	}
	if epoch := s.clients.epochOf(p.ClientID); epoch > 0 && (!p.HasClientGeneration || p.ClientGeneration < epoch) {
		return true
	}
	return s.keys.epochOf(p.KeyID) > 0
}

// idSet holds ids of 16 bytes in hash tables with open addressing: 32 bytes a
// slot and no pointer in it, so that a million entries are 48 to 64 MB and
// nothing to the garbage collector. The tables are many small ones, so that
// growing copies little at a time and needs little room beside the old.
type idSet struct {
	seed   maphash.Seed
	size   atomic.Int64
	shards [idShards]idShard
}

const (
	idShards   = 64
	firstSlots = 8
)

// idShard is one table. Its owner adds to it in place, and publishes another
// one when it grows or forgets.
type idShard struct {
	table atomic.Pointer[idTable] // nil while empty
	used  int                     // the writer's
}

// idTable has a few bits for each slot beside the slots: nearly every id that
// is asked for is not in the table, and one clear bit says so from a piece of
// memory that is small enough to stay near the processor.
type idTable struct {
	slots []idSlot
	bits  []atomic.Uint64
}

const bitsPerSlot = 8

func newIDTable(slots int) *idTable {
	return &idTable{slots: make([]idSlot, slots), bits: make([]atomic.Uint64, slots*bitsPerSlot/64+1)}
}

// bit is where the bit of a hash is. The multiplication makes it independent
// of the place in the slots.
func (t *idTable) bit(hash uint64) (word *atomic.Uint64, mask uint64) {
	at, _ := bits.Mul64(hash*0x9e3779b97f4a7c15, uint64(len(t.bits))*64)
	return &t.bits[at/64], 1 << (at % 64)
}

// idSlot is written once, key before seq, and only its epoch and seq rise
// afterwards: a reader that sees seq also sees the key. The seq is that of the
// batch plus one, so that 0 is an empty slot.
type idSlot struct {
	seq   atomic.Uint64
	epoch atomic.Int64
	key   [16]byte
}

func (s *idSet) hash(key *[16]byte) uint64 { return maphash.Bytes(s.seed, key[:]) }

// epochOf is the epoch stored for key, 0 when there is none.
func (s *idSet) epochOf(key *[16]byte) int64 {
	if s.size.Load() == 0 {
		return 0
	}
	hash := s.hash(key)
	t := s.shards[hash%idShards].table.Load()
	if t == nil {
		return 0
	}
	if word, mask := t.bit(hash); word.Load()&mask == 0 {
		return 0
	}
	if slot := t.find(hash, key); slot.seq.Load() != 0 {
		return slot.epoch.Load()
	}
	return 0
}

// find returns the slot of key, or the empty one where it belongs. There
// always is an empty one. The upper bits of the hash choose the place, because
// the lower ones chose the shard.
func (t *idTable) find(hash uint64, key *[16]byte) *idSlot {
	at, _ := bits.Mul64(hash, uint64(len(t.slots)))
	for {
		slot := &t.slots[at]
		if slot.seq.Load() == 0 || slot.key == *key {
			return slot
		}
		if at++; at == uint64(len(t.slots)) {
			at = 0
		}
	}
}

// put returns whether it used a new slot. An epoch only ever rises, and so
// does the batch: the last one that names an entry keeps it alive.
func (t *idTable) put(hash uint64, key *[16]byte, epoch int64, seq uint64) bool {
	slot := t.find(hash, key)
	if slot.seq.Load() == 0 {
		slot.key = *key
		slot.epoch.Store(epoch)
		slot.seq.Store(seq)
		word, mask := t.bit(hash)
		word.Or(mask)
		return true
	}
	if epoch > slot.epoch.Load() {
		slot.epoch.Store(epoch)
	}
	if seq > slot.seq.Load() {
		slot.seq.Store(seq)
	}
	return false
}

func (s *idSet) add(key *[16]byte, epoch int64, seq uint64) { s.put(key, epoch, seq+1) }

func (s *idSet) put(key *[16]byte, epoch int64, mark uint64) {
	hash := s.hash(key)
	shard := &s.shards[hash%idShards]
	t := shard.table.Load()
	if t == nil || shard.used >= len(t.slots)/3*2 {
		s.rebuild(shard, 0)
		t = shard.table.Load()
	}
	if t.put(hash, key, epoch, mark) {
		shard.used++
		s.size.Add(1)
	}
}

// reserve makes room before anything is added, so that reading a snapshot does
// not grow every table several times.
func (s *idSet) reserve(count int) {
	if count < idShards*firstSlots {
		return
	}
	each := count/idShards*9/5 + firstSlots
	for i := range s.shards {
		s.shards[i].table.Store(newIDTable(each))
	}
}

func (s *idSet) drop(floor uint64) {
	for i := range s.shards {
		if s.shards[i].table.Load() != nil {
			s.rebuild(&s.shards[i], floor)
		}
	}
}

// rebuild publishes a table with the living entries and room for as many more.
func (s *idSet) rebuild(shard *idShard, floor uint64) {
	var old []idSlot
	if t := shard.table.Load(); t != nil {
		old = t.slots
	}
	living := 0
	for i := range old {
		if old[i].lives(floor) {
			living++
		}
	}
	t := newIDTable(max(firstSlots, living*2))
	for i := range old {
		if slot := &old[i]; slot.lives(floor) {
			t.put(s.hash(&slot.key), &slot.key, slot.epoch.Load(), slot.seq.Load())
		}
	}
	s.size.Add(int64(living - shard.used))
	shard.used = living
	shard.table.Store(t)
}

func (s *idSlot) lives(floor uint64) bool {
	seq := s.seq.Load()
	return seq != 0 && seq-1 >= floor
}

func (s *idSet) absorb(other *idSet) {
	for i := range other.shards {
		t := other.shards[i].table.Load()
		if t == nil {
			continue
		}
		for j := range t.slots {
			if slot := &t.slots[j]; slot.lives(0) {
				s.put(&slot.key, slot.epoch.Load(), slot.seq.Load())
			}
		}
	}
}
