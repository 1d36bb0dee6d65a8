package tokens

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// Want is the wish for a receipt: everything that Log.Write ends under its
// context asks for acks, and Feed.Wait waits for them.
type Want struct {
	mu      sync.Mutex
	ended   int                    // how many things
	logID   models.ID              // the log that this node followed then; zero in a command
	open    map[models.ID]struct{} // outbox rows whose batch is not known yet
	seq     int64                  // the newest batch of them
	since   time.Time              // local, when the first was committed
	sealed  time.Time              // local, after the last was known to be sealed
	forever bool                   // a key is among them: no token under it ever expires for certain
	until   time.Time              // the latest end that was given with an entry
	bell    bell
}

type wantKey struct{}

// WithReceipt asks for a receipt of what is ended under the context it returns.
// The wish travels in the context because endings happen in several rooms, deep
// inside what was asked for, and it changes nothing of what they decide.
func WithReceipt(ctx context.Context) (context.Context, *Want) {
	w := &Want{open: map[models.ID]struct{}{}}
	return context.WithValue(ctx, wantKey{}, w), w
}

func wantOf(ctx context.Context) *Want {
	w, _ := ctx.Value(wantKey{}).(*Want)
	return w
}

// committed notes what was ended at that moment.
func (w *Want) committed(rows []models.RevocationOutbox, logID models.ID, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == 0 {
		w.since, w.logID = now, logID
	}
	w.ended += len(rows)
	for _, row := range rows {
		w.open[row.ID] = struct{}{}
		w.forever = w.forever || row.Kind == EntryKey
		if row.Until.After(w.until) {
			w.until = row.Until.Time
		}
	}
}

// settled notes the batch of one row.
func (w *Want) settled(row models.ID, seq int64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.open[row]; !ok {
		return
	}
	delete(w.open, row)
	w.seq = max(w.seq, seq)
	if len(w.open) == 0 {
		w.sealed = now
		w.bell.ring()
	}
}

// place is the batch to wait for, once every row is sealed.
func (w *Want) place() (seq int64, sealed time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq, w.sealed, len(w.open) == 0
}

// lost reports whether the log began anew since: what was ended may have been
// brought back, and no place in the new log says anything of it.
func (w *Want) lost(logID models.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.logID.IsZero() && w.logID != logID
}

// count is how many things were ended.
func (w *Want) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// elapsed is how long ago the first of them was committed.
func (w *Want) elapsed(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(0, now.Sub(w.since))
}

// rows are those whose batch is not known yet.
func (w *Want) rows() []models.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]models.ID, 0, len(w.open))
	for id := range w.open {
		ids = append(ids, id)
	}
	return ids
}

// sealedIn tells who waits that this process has sealed these rows, and reads
// the batch at once.
func (l *Log) sealedIn(rows []models.RevocationOutbox, batch models.RevocationBatch) {
	if !batch.WantAck {
		return
	}
	now := l.local()
	l.mu.Lock()
	for _, row := range rows {
		l.settleRow(row.ID, batch.Seq, now)
	}
	l.mu.Unlock()
	select {
	case l.wakePoll <- struct{}{}:
	default: // a poll is due
	}
}

// settle finds rows that another node sealed: they have left the outbox, so
// that they are in what this poll has read. The caller holds mu.
// Their batch asks for acks, so it is the newest of those or an older one; the
// newest of all may be one that asks for none, and then nobody says that it was
// applied.
func (l *Log) settle() {
	now, seq := l.local(), l.known.newestWanted()
	for id := range l.wants {
		if !l.own[id] {
			l.settleRow(id, seq, now)
		}
	}
}

// settleRow is called with mu held.
func (l *Log) settleRow(id models.ID, seq int64, now time.Time) {
	if w := l.wants[id]; w != nil {
		delete(l.wants, id)
		w.settled(id, seq, now)
	}
}

// unwant forgets who does not wait any more.
func (l *Log) unwant(w *Want) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range w.rows() {
		delete(l.wants, id)
	}
}

// sealSelf seals what a command has ended: it cannot know whether there is a
// server to do it, and whoever seals is equal.
func (l *Log) sealSelf(ctx context.Context, w *Want) error {
	l.following.Lock()
	defer l.following.Unlock()
	if l.logID.IsZero() {
		if err := l.openDeployment(ctx); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		n, err := l.seal(ctx)
		if err != nil && !errors.Is(err, errRival) {
			return err
		}
		if _, _, ok := w.place(); ok {
			return nil
		}
		if n == 0 && err == nil {
			return l.sealedByOthers(ctx, w)
		}
		timer := time.NewTimer(rand.N(sealEvery))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return ctx.Err()
}

// sealedByOthers is for rows that are not in the outbox any more: the newest
// batch that asks for acks is theirs or came after it.
func (l *Log) sealedByOthers(ctx context.Context, w *Want) error {
	var seqs []int64
	err := l.db.CausalRead(ctx, func(c *gorm.DB) error {
		return c.Raw("SELECT seq FROM revocation_batches WHERE want_ack = ? ORDER BY seq DESC LIMIT 1", true).Scan(&seqs).Error
	})
	if err != nil || len(seqs) == 0 {
		return database.Unavailable(err)
	}
	now := l.local()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range w.rows() {
		l.settleRow(id, seqs[0], now)
	}
	return nil
}
