package tokens

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"gatehouse/models"
)

const (
	// usedEvery is how often the use of one token is written at most.
	usedEvery = time.Minute
	// maxUses bounds what is remembered of uses between two writes.
	maxUses = 4096
)

// Use is one use of a personal token, for its owner's list. It decides nothing.
type Use struct {
	Token models.ID
	IP    string // of the visitor, for our own API
	Via   string // the name of the service that asked
	at    models.Time
}

// uses keeps the last uses in memory, so that a request waits for no write.
type uses struct {
	clock   func() time.Time
	mu      sync.Mutex
	pending map[models.ID]Use
	written map[models.ID]time.Time
}

func newUses(clock func() time.Time) uses {
	return uses{clock: clock, pending: map[models.ID]Use{}, written: map[models.ID]time.Time{}}
}

// Used notes that a token was used. It is a few lines in memory: Flush writes.
func (p *Personal) Used(u Use) {
	s, now := &p.uses, p.uses.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, known := s.written[u.Token]; known && elapsed(last, now) < usedEvery {
		return
	}
	if _, known := s.pending[u.Token]; !known && len(s.pending) >= maxUses {
		return // the next use of it is as good
	}
	u.at, u.IP = models.At(now), plainText(u.IP, maxIP)
	s.pending[u.Token] = u
}

// take empties what is to be written.
func (s *uses) take() map[models.ID]Use {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, list := s.clock(), s.pending
	s.pending = map[models.ID]Use{}
	maps.DeleteFunc(s.written, func(_ models.ID, at time.Time) bool { return elapsed(at, now) >= usedEvery })
	for id := range list {
		s.written[id] = now
	}
	return list
}

// The condition keeps the nodes together from writing more than once a minute.
const usedSQL = `UPDATE personal_tokens SET last_used_at = ?, last_used_ip = ?, last_used_via = ?
 WHERE id = ? AND ended_at IS NULL AND (last_used_at IS NULL OR last_used_at <= ?)`

// Flush writes the uses since the last Flush. It runs in the background, about
// every second; what it cannot write is lost, and the next use is written.
func (p *Personal) Flush(ctx context.Context) error {
	var all error
	for id, u := range p.uses.take() {
		_, err := p.deps.DB.Exec(ctx, usedSQL, u.at, u.IP, u.Via, id, models.At(u.at.Add(-usedEvery)))
		all = errors.Join(all, err)
	}
	return all
}
