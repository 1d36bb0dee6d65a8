package verify

import (
	"maps"
	"sync/atomic"
)

// nameSet is the same as idSet for the few names of clients and keys. The map
// is never changed once it is published.
type nameSet struct {
	names atomic.Pointer[map[string]named]
}

type named struct {
	epoch int64
	mark  mark
}

func (s *nameSet) all() map[string]named {
	if m := s.names.Load(); m != nil {
		return *m
	}
	return nil
}

// epochOf is the epoch stored for name, 0 when there is none.
func (s *nameSet) epochOf(name string) int64 { return s.all()[name].epoch }

// add copies the map once for all entries of one kind.
func (s *nameSet) add(entries []entry, kind byte, m mark) {
	var next map[string]named
	for i := range entries {
		e := &entries[i]
		if e.kind != kind {
			continue
		}
		if next == nil {
			next = s.copy()
		}
		raise(next, e.name, named{max(e.epoch, 1), m})
	}
	if next != nil {
		s.names.Store(&next)
	}
}

func raise(m map[string]named, name string, n named) {
	old := m[name]
	m[name] = named{max(old.epoch, n.epoch), max(old.mark, n.mark)}
}

func (s *nameSet) drop(floor uint64) {
	next := s.copy()
	maps.DeleteFunc(next, func(_ string, n named) bool { return !n.mark.lives(floor) })
	s.names.Store(&next)
}

func (s *nameSet) each(kind byte, f func(kind byte, target []byte, epoch int64)) {
	for name, n := range s.all() {
		f(kind, []byte(name), n.epoch)
	}
}

func (s *nameSet) absorb(other *nameSet) {
	next := s.copy()
	for name, n := range other.all() {
		raise(next, name, n)
	}
	s.names.Store(&next)
}

func (s *nameSet) copy() map[string]named {
	next := make(map[string]named, len(s.all())+1)
	maps.Copy(next, s.all())
	return next
}
