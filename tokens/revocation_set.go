package tokens

import (
	"hash/maphash"
	"maps"
	"math/bits"
	"sync/atomic"

	"gatehouse/verify"
)

// unsealed marks an entry that was seen in the outbox only; sealed ones carry
// the number of their batch.
const unsealed = -1

// endedSet answers "is this token ended?" for every request. Readers take no
// lock and allocate nothing; writers are serialised by the Log.
type endedSet struct {
	sessions, tokens, subjects idSet
	clients, keys              nameSet
}

func newEndedSet() *endedSet {
	seed := maphash.MakeSeed()
	s := &endedSet{}
	for _, ids := range []*idSet{&s.sessions, &s.tokens, &s.subjects} {
		ids.seed = seed
	}
	return s
}

// add applies one entry. Applying it again changes nothing but the batch.
func (s *endedSet) add(e Entry, seq int64) {
	switch e.Kind {
	case EntrySession:
		s.sessions.add([16]byte(e.Target), 1, seq)
	case EntryToken:
		s.tokens.add([16]byte(e.Target), 1, seq)
	case EntrySubject:
		s.subjects.add([16]byte(e.Target), e.Epoch, seq)
	case EntryClient:
		s.clients.add(string(e.Target), e.Epoch, seq)
	case EntryKey:
		s.keys.add(string(e.Target), 1, seq)
	}
}

// drop forgets what was sealed in batches below floor, which are trimmed
// because every token that they refuse has expired. Keys are never forgotten.
func (s *endedSet) drop(floor int64) {
	s.sessions.drop(floor)
	s.tokens.drop(floor)
	s.subjects.drop(floor)
	s.clients.drop(floor)
}

// revoked judges a verified token. A token without an epoch is older than any
// epoch that was raised.
func (s *endedSet) revoked(p *verify.Principal) bool {
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

// idSet is a hash table with open addressing, for ids of 16 bytes: 32 bytes a
// slot and no pointer, so that a million entries cost the garbage collector
// nothing. One writer at a time; any number of readers beside it.
type idSet struct {
	seed  maphash.Seed
	table atomic.Pointer[idTable] // nil while empty
	used  int                     // the writer's
	floor int64                   // the writer's: batches below are forgotten at the next rebuild
}

type idTable struct{ slots []idSlot }

// idSlot is written once, key before seq, and only its epoch and seq change
// afterwards: a reader that sees seq also sees the key.
type idSlot struct {
	seq   atomic.Int64 // 0 is an empty slot
	epoch atomic.Int64
	key   [16]byte
}

// epochOf is the epoch stored for key, 0 when there is none.
func (s *idSet) epochOf(key *[16]byte) int64 {
	t := s.table.Load()
	if t == nil {
		return 0
	}
	if slot := t.find(s.hash(key), key); slot.seq.Load() != 0 {
		return slot.epoch.Load()
	}
	return 0
}

func (s *idSet) hash(key *[16]byte) uint64 { return maphash.Bytes(s.seed, key[:]) }

// find returns the slot of key, or the empty one where it belongs. There always
// is an empty one.
func (t *idTable) find(hash uint64, key *[16]byte) *idSlot {
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := &t.slots[i]
		if slot.seq.Load() == 0 || slot.key == *key {
			return slot
		}
	}
}

func (s *idSet) add(key [16]byte, epoch, seq int64) {
	t := s.table.Load()
	if t == nil || s.used >= len(t.slots)/4*3 {
		s.rebuild()
		t = s.table.Load()
	}
	s.used += t.put(s.hash(&key), key, epoch, seq)
}

// put returns how many slots it newly used. An epoch only ever rises, and so
// does the batch: the last one that names an entry keeps it alive.
func (t *idTable) put(hash uint64, key [16]byte, epoch, seq int64) int {
	slot := t.find(hash, &key)
	if slot.seq.Load() == 0 {
		slot.key = key
		slot.epoch.Store(epoch)
		slot.seq.Store(seq)
		return 1
	}
	if epoch > slot.epoch.Load() {
		slot.epoch.Store(epoch)
	}
	if seq > slot.seq.Load() {
		slot.seq.Store(seq)
	}
	return 0
}

// drop forgets what was sealed below floor.
func (s *idSet) drop(floor int64) {
	s.floor = floor
	if s.table.Load() != nil {
		s.rebuild()
	}
	if s.used == 0 {
		s.table.Store(nil)
	}
}

// smallestTable is the number of slots to begin with; a power of two.
const smallestTable = 64

// rebuild publishes a table with the living entries and room for as many more.
func (s *idSet) rebuild() {
	var old []idSlot
	if t := s.table.Load(); t != nil {
		old = t.slots
	}
	living := 0
	for i := range old {
		if s.lives(&old[i]) {
			living++
		}
	}
	t := &idTable{slots: make([]idSlot, max(smallestTable, 1<<bits.Len(uint(living*2))))}
	s.used = 0
	for i := range old {
		if slot := &old[i]; s.lives(slot) {
			s.used += t.put(s.hash(&slot.key), slot.key, slot.epoch.Load(), slot.seq.Load())
		}
	}
	s.table.Store(t)
}

func (s *idSet) lives(slot *idSlot) bool {
	seq := slot.seq.Load()
	return seq == unsealed || (seq != 0 && seq >= s.floor)
}

// nameSet is the same for the few names of clients and keys; the map is never
// changed once it is published.
type nameSet struct {
	m atomic.Pointer[map[string]named]
}

type named struct{ epoch, seq int64 }

func (s *nameSet) epochOf(name string) int64 {
	m := s.m.Load()
	if m == nil {
		return 0
	}
	return (*m)[name].epoch
}

func (s *nameSet) add(name string, epoch, seq int64) {
	next := s.copy()
	if old, ok := next[name]; ok {
		epoch, seq = max(old.epoch, epoch), max(old.seq, seq)
	}
	next[name] = named{epoch, seq}
	s.m.Store(&next)
}

// take adds all names of another set, which the numbers of a new log never drop.
func (s *nameSet) take(o *nameSet) {
	for name, n := range o.copy() {
		s.add(name, n.epoch, unsealed)
	}
}

func (s *nameSet) drop(floor int64) {
	next := s.copy()
	maps.DeleteFunc(next, func(_ string, n named) bool { return n.seq != unsealed && n.seq < floor })
	s.m.Store(&next)
}

func (s *nameSet) copy() map[string]named {
	next := map[string]named{}
	if m := s.m.Load(); m != nil {
		maps.Copy(next, *m)
	}
	return next
}
