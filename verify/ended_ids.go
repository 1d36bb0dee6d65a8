package verify

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
)

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

// idSlot is written once, key before mark, and only its epoch and mark rise
// afterwards: a reader that sees the mark also sees the key.
type idSlot struct {
	mark  atomic.Uint64
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
	if slot := t.find(hash, key); slot.used() {
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
		if !slot.used() || slot.key == *key {
			return slot
		}
		if at++; at == uint64(len(t.slots)) {
			at = 0
		}
	}
}

// put returns whether it used a new slot. An epoch only ever rises, and so
// does the batch: the last one that names an entry keeps it alive.
func (t *idTable) put(hash uint64, key *[16]byte, epoch int64, m mark) bool {
	slot := t.find(hash, key)
	if !slot.used() {
		slot.key = *key
		slot.epoch.Store(epoch)
		slot.mark.Store(uint64(m))
		word, mask := t.bit(hash)
		word.Or(mask)
		return true
	}
	if epoch > slot.epoch.Load() {
		slot.epoch.Store(epoch)
	}
	if uint64(m) > slot.mark.Load() {
		slot.mark.Store(uint64(m))
	}
	return false
}

func (s *idSet) put(key *[16]byte, epoch int64, m mark) {
	hash := s.hash(key)
	shard := &s.shards[hash%idShards]
	t := shard.table.Load()
	if t == nil || shard.used >= len(t.slots)/3*2 {
		s.rebuild(shard, 0)
		t = shard.table.Load()
	}
	if t.put(hash, key, epoch, m) {
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
			t.put(s.hash(&slot.key), &slot.key, slot.epoch.Load(), mark(slot.mark.Load()))
		}
	}
	s.size.Add(int64(living - shard.used))
	shard.used = living
	shard.table.Store(t)
}

func (s *idSlot) used() bool { return mark(s.mark.Load()) != free }

func (s *idSlot) lives(floor uint64) bool { return mark(s.mark.Load()).lives(floor) }

func (s *idSet) absorb(other *idSet) {
	other.slots(func(slot *idSlot) { s.put(&slot.key, slot.epoch.Load(), mark(slot.mark.Load())) })
}

func (s *idSet) each(kind byte, f func(kind byte, target []byte, epoch int64)) {
	s.slots(func(slot *idSlot) { f(kind, slot.key[:], slot.epoch.Load()) })
}

// slots calls f with every slot in use.
func (s *idSet) slots(f func(*idSlot)) {
	for i := range s.shards {
		t := s.shards[i].table.Load()
		if t == nil {
			continue
		}
		for j := range t.slots {
			if slot := &t.slots[j]; slot.used() {
				f(slot)
			}
		}
	}
}
