package verify

import "hash/maphash"

// Ended is everything that has ended, and answers "is this token ended?" for
// every request. Look-ups take no lock and allocate nothing, however much is
// being added beside them; whoever adds or drops does so one at a time.
//
// A Verifier fills one from the feed. The token service itself fills one from
// its own log, which is why it is exported.
type Ended struct {
	sessions, tokens, subjects idSet
	clients, keys              nameSet
}

// Unsealed stands for the batch of an ending that is in none yet.
const Unsealed = -1

// mark is what keeps an entry alive: the batch that it was sealed in last. 0 is
// an empty slot and 1 an entry that is not sealed, so that sealing raises it.
type mark uint64

const (
	free        mark = 0
	notSealed   mark = 1
	firstSealed mark = 2
)

func (m mark) lives(floor uint64) bool {
	return m == notSealed || m >= firstSealed && uint64(m-firstSealed) >= floor
}

// NewEnded makes room for about count ids, which are nearly all sessions.
func NewEnded(count int) *Ended {
	s := &Ended{}
	seed := maphash.MakeSeed()
	for _, ids := range []*idSet{&s.sessions, &s.tokens, &s.subjects} {
		ids.seed = seed
	}
	s.sessions.reserve(count)
	return s
}

// Add adds one ending of a batch, or of none yet (Unsealed). Kind is the code
// that it has in a batch body. Adding it again only changes what keeps it.
func (s *Ended) Add(kind byte, target []byte, epoch, batch int64) {
	e := entry{kind: kind, epoch: epoch}
	if kind == kindClient || kind == kindKey {
		e.name = string(target)
	} else {
		copy(e.id[:], target)
	}
	m := notSealed
	if batch != Unsealed {
		m = firstSealed + mark(batch)
	}
	s.apply([]entry{e}, m)
}

// add applies the entries of one batch, or a part of a snapshot. Applying them
// again changes nothing but the batch that keeps them alive.
func (s *Ended) add(entries []entry, seq uint64) { s.apply(entries, firstSealed+mark(seq)) }

func (s *Ended) apply(entries []entry, m mark) {
	for i := range entries {
		switch e := &entries[i]; e.kind {
		case kindSession:
			s.sessions.put(&e.id, 1, m)
		case kindToken:
			s.tokens.put(&e.id, 1, m)
		case kindSubject:
			s.subjects.put(&e.id, e.epoch, m)
		}
	}
	s.clients.add(entries, kindClient, m)
	s.keys.add(entries, kindKey, m)
}

// Each calls f with everything in the set. It reads beside a writer as every
// look-up does: what is added meanwhile may be missing, and nothing else is.
func (s *Ended) Each(f func(kind byte, target []byte, epoch int64)) {
	s.sessions.each(kindSession, f)
	s.tokens.each(kindToken, f)
	s.subjects.each(kindSubject, f)
	s.clients.each(kindClient, f)
	s.keys.each(kindKey, f)
}

// Drop forgets what was sealed in batches below floor: every token that it
// refuses has expired. Keys are never forgotten, because whoever stole one
// writes any exp.
func (s *Ended) Drop(floor uint64) {
	s.sessions.drop(floor)
	s.tokens.drop(floor)
	s.subjects.drop(floor)
	s.clients.drop(floor)
}

// absorb adds everything that other holds.
func (s *Ended) absorb(other *Ended) {
	s.sessions.absorb(&other.sessions)
	s.tokens.absorb(&other.tokens)
	s.subjects.absorb(&other.subjects)
	s.clients.absorb(&other.clients)
	s.keys.absorb(&other.keys)
}

// TakeKeys adds the keys of a set that was filled from another log, so that the
// numbers of this one never drop them.
func (s *Ended) TakeKeys(other *Ended) {
	var keys []entry
	for name := range other.keys.all() {
		keys = append(keys, entry{kind: kindKey, name: name})
	}
	s.apply(keys, notSealed)
}

// Size is how many entries it holds.
func (s *Ended) Size() int64 {
	return s.sessions.size.Load() + s.tokens.size.Load() + s.subjects.size.Load() +
		int64(len(s.clients.all())) + int64(len(s.keys.all()))
}

// Revoked judges a verified token. A token without an epoch is older than any
// epoch that was raised.
func (s *Ended) Revoked(p *Principal) bool {
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
