package tokens

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

const (
	// historyBytes bounds the newest batches that are kept in memory, so that
	// followers of the log are served without the database.
	historyBytes = 8 << 20
	// batchBytes is what a batch takes beside its hash and body: one ending has a
	// body of 27 bytes, and the row that holds it is several times that.
	batchBytes = 128
)

// position is how far this node has applied the log, as others may see it.
type position struct {
	logID models.ID
	seq   int64
	hash  []byte // of the batch seq; 32 zero bytes before the first
	floor int64
}

// published is the position and the newest batches. Log.mu guards it.
type published struct {
	at      position
	changed chan struct{} // closed when at changes
	history []models.RevocationBatch
	size    int
}

// publish shows what was applied, and wakes who waits for it. A node that
// reads everything again shows nothing older meanwhile. The caller holds
// following.
func (l *Log) publish() {
	at := position{logID: l.logID, seq: l.cursor, hash: l.head, floor: l.floor}
	if at.seq == 0 {
		at.hash = make([]byte, 32)
	}
	if at.floor <= 1 {
		// Nothing was ever trimmed. A snapshot of the empty log may hold what the
		// first batches are about to bring: no floor may take it away again.
		at.floor = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.published
	if p.at.logID == at.logID && (at.seq < p.at.seq || at.seq == p.at.seq && at.floor == p.at.floor) {
		return
	}
	p.at = at
	p.forget(at.floor)
	if p.changed != nil {
		close(p.changed)
	}
	p.changed = make(chan struct{})
}

// remember keeps a batch that was just applied. The caller holds mu.
func (p *published) remember(b *models.RevocationBatch) {
	if n := len(p.history); n > 0 {
		switch last := p.history[n-1].Seq; {
		case b.Seq <= last:
			return
		case b.Seq != last+1:
			p.history, p.size = nil, 0
		}
	}
	p.history = append(p.history, *b)
	p.size += takes(b)
	for p.size > historyBytes && len(p.history) > 1 {
		p.drop()
	}
}

// forget drops the batches below the floor, which the database has trimmed:
// whoever still asks for them meets a gap on every node, and they would fill
// the memory for days. The caller holds mu.
func (p *published) forget(floor int64) {
	for len(p.history) > 1 && p.history[0].Seq < floor {
		p.drop()
	}
}

// drop takes out the oldest. It is not cleared, because answers that are being
// written share the list; it goes when the list next grows.
func (p *published) drop() {
	p.size -= takes(&p.history[0])
	p.history = p.history[1:]
}

func takes(b *models.RevocationBatch) int { return batchBytes + len(b.PrevHash) + len(b.Body) }

// position returns how far this node is and a channel that closes at the next
// change.
func (l *Log) position() (position, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published.at, l.published.changed
}

// age is how old the view is that this node lets followers have. It never says
// more than the longest bound of a follower: what is older refuses everywhere.
func (l *Log) age() time.Duration {
	l.mu.Lock()
	asOf, sealed := l.status.asOf, l.status.sealed
	l.mu.Unlock()
	now := l.local()
	return min(max(0, elapsed(asOf, now), elapsed(sealed, now)), mostBound)
}

// after returns the batches that follow seq, at most one page, from memory or
// else from the database. Below the floor, and below what the database still
// holds, there is a gap: nil.
func (l *Log) after(ctx context.Context, seq int64) ([]models.RevocationBatch, error) {
	if rows, ok := l.remembered(seq); ok {
		return rows, nil
	}
	at, _ := l.position()
	var rows []models.RevocationBatch
	err := l.db.Read(ctx).Raw(`SELECT seq, prev_hash, body, want_ack FROM revocation_batches
 WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`, seq, at.seq, batchPage).Scan(&rows).Error
	if err != nil {
		return nil, database.Unavailable(err)
	}
	if len(rows) == 0 || rows[0].Seq != seq+1 {
		return nil, nil
	}
	return rows, nil
}

// remembered is after, from memory; ok is false when memory does not reach
// back that far.
func (l *Log) remembered(seq int64) (rows []models.RevocationBatch, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.published.history
	if len(h) == 0 || seq+1 < h[0].Seq || seq > h[len(h)-1].Seq {
		return nil, false
	}
	rest := h[seq+1-h[0].Seq:]
	return rest[:min(len(rest), batchPage):min(len(rest), batchPage)], true
}

// catchUp is one poll that shows everything acknowledged before it began.
func (l *Log) catchUp(ctx context.Context) error {
	l.following.Lock()
	defer l.following.Unlock()
	v := view{asOf: l.local()}
	err := l.db.CausalRead(ctx, func(c *gorm.DB) error {
		return takeSteps(ctx, c.Session(&gorm.Session{}), &v, l.steps())
	})
	return l.conclude(ctx, v, err)
}

// usable reports whether this node has a view at all. How old it is, it says
// of itself.
func (l *Log) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status.usable()
}
