package tokens

// entries appends everything that is in the set, in the form of a batch body,
// and counts it. It reads beside the writer as every look-up does: what is
// added meanwhile may be in it or not, and what was there before is.
//
// The set does not keep until when a token lives: who holds the entries
// forgets them when the floor of the log passes them, never by a clock.
func (s *endedSet) entries(b []byte) (body []byte, n int) {
	b = append(b, bodyVersion)
	for kind, ids := range map[string]*idSet{EntrySession: &s.sessions, EntryToken: &s.tokens, EntrySubject: &s.subjects} {
		b, n = ids.entries(b, kind, n)
	}
	for kind, names := range map[string]*nameSet{EntryClient: &s.clients, EntryKey: &s.keys} {
		b, n = names.entries(b, kind, n)
	}
	return b, n
}

func (s *idSet) entries(b []byte, kind string, n int) ([]byte, int) {
	t := s.table.Load()
	if t == nil {
		return b, n
	}
	for i := range t.slots {
		slot := &t.slots[i]
		if slot.seq.Load() == 0 {
			continue
		}
		e := Entry{Kind: kind, Target: slot.key[:]}
		if e.byEpoch() {
			e.Epoch = slot.epoch.Load()
		}
		b, n = appendEntry(b, e), n+1
	}
	return b, n
}

func (s *nameSet) entries(b []byte, kind string, n int) ([]byte, int) {
	m := s.m.Load()
	if m == nil {
		return b, n
	}
	for name, known := range *m {
		e := Entry{Kind: kind, Target: []byte(name)}
		if e.byEpoch() {
			e.Epoch = known.epoch
		}
		b, n = appendEntry(b, e), n+1
	}
	return b, n
}
