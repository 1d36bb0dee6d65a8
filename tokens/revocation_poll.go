package tokens

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/verify"
)

// pollStep is one read of a poll.
type pollStep func(ctx context.Context, c *gorm.DB, v *view) error

// view collects what one poll learned.
type view struct {
	asOf   time.Time
	reload bool // a gap was found: read the whole log again
	// nodes are the nodes as they were after the batches had been read.
	nodes  []models.Node
	looked bool
}

// poll reads what is new on ONE connection, in this order: this node's own
// beat, outbox, batches. The beat first, because everything read afterwards is
// at least as new as it. The outbox before the batches, because an entry only
// ever moves from the outbox into a batch: the other way round it could be in
// neither when it is looked for.
func (l *Log) poll(ctx context.Context) error {
	return l.pollIn(ctx, l.steps()...)
}

func (l *Log) steps() []pollStep {
	return []pollStep{l.readBeat, l.readLogID, l.readOutbox, l.readBatches, l.readNodes}
}

// Poll reads what is new once, as Run does four times a second.
func (l *Log) Poll(ctx context.Context) error { return l.bounded(ctx, l.poll) }

func (l *Log) pollIn(ctx context.Context, steps ...pollStep) error {
	l.following.Lock()
	defer l.following.Unlock()
	v := view{asOf: l.local()}
	err := l.db.Read(ctx).Connection(func(c *gorm.DB) error {
		return takeSteps(ctx, c.Session(&gorm.Session{}), &v, steps)
	})
	return l.conclude(ctx, v, err)
}

// conclude ends a read of what is new.
func (l *Log) conclude(ctx context.Context, v view, err error) error {
	if err == nil && v.reload {
		l.log.Warn("the revocation log was trimmed beyond what this node had read; reading all of it again")
		return l.reload(ctx)
	}
	if err = l.polled(v, err); errors.Is(err, errBehind) || errors.Is(err, errForked) || errors.Is(err, errOtherLog) {
		return l.resolve(ctx, err)
	}
	return err
}

// reload reads the whole log so that it shows everything acknowledged before.
func (l *Log) reload(ctx context.Context) error {
	v := view{asOf: l.local()}
	l.cursor, l.head = 0, nil
	err := l.db.CausalRead(ctx, func(c *gorm.DB) error {
		return takeSteps(ctx, c.Session(&gorm.Session{}), &v, l.steps())
	})
	if err == nil && v.reload {
		err = errTrimmed
	}
	return l.polled(v, err)
}

func takeSteps(ctx context.Context, c *gorm.DB, v *view, steps []pollStep) error {
	for _, step := range steps {
		if err := step(ctx, c, v); err != nil {
			return database.Unavailable(err)
		}
	}
	return nil
}

// polled publishes how fresh the view is now.
func (l *Log) polled(v view, err error) error {
	if err == nil && l.cursor < l.peak.seq {
		err = errBehind
	}
	if err == nil {
		l.publish()
		l.keepWater()
		if v.looked {
			l.known.look(l.logID, l.cursor, v.nodes, l.local())
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.status
	switch {
	case err == nil:
		s.started, s.behind, s.asOf, s.sealed = true, nil, v.asOf, oldest(v.asOf, l.seen)
		l.asOf.Store(&v.asOf)
		l.freshAgain()
		l.settle()
		l.filled()
	case errors.Is(err, errForked), errors.Is(err, errBehind), errors.Is(err, errOtherLog):
		s.behind = err
	}
	return err
}

// readOutbox applies what is committed and not sealed; early is harmless. It
// also counts how often a row was seen: a stranger's row that two polls saw is
// sealed by whoever saw it, because its writer may be dead, or a command that
// has ended.
func (l *Log) readOutbox(_ context.Context, c *gorm.DB, _ *view) error {
	before := l.ownIDs()
	var rows []models.RevocationOutbox
	if err := c.Raw("SELECT id, kind, target, epoch, want_ack FROM revocation_outbox").Scan(&rows).Error; err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[models.ID]sighting, len(rows))
	for _, row := range rows {
		seen[row.ID] = l.sight(row.ID)
		e := entryOf(row)
		if err := e.check(); err != nil {
			return err
		}
		l.add(e, verify.Unsealed)
	}
	l.seen = seen
	for _, id := range before { // committed before the read and not in it: sealed
		if _, still := seen[id]; !still {
			delete(l.own, id)
		}
	}
	if len(l.own) > 0 || anyTwice(seen) {
		l.askForSeal()
	}
	return nil
}

func (l *Log) ownIDs() []models.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]models.ID, 0, len(l.own))
	for id := range l.own {
		ids = append(ids, id)
	}
	return ids
}

func anyTwice(seen map[models.ID]sighting) bool {
	for _, s := range seen {
		if s.polls >= 2 {
			return true
		}
	}
	return false
}

// batchPage bounds what one statement brings into memory: 64 batches are at
// most about 1 MB.
const batchPage = 64

// The newest batch that was read is asked for again, without its body: that it
// is still there shows that the database did not go back in time.
const readBatchesSQL = `SELECT seq, prev_hash, want_ack, CASE WHEN seq > ? THEN body END AS body
 FROM revocation_batches WHERE seq >= ? ORDER BY seq LIMIT ?`

// readBatches applies the sealed batches beyond the cursor and moves it.
func (l *Log) readBatches(_ context.Context, c *gorm.DB, v *view) error {
	for !v.reload {
		var rows []models.RevocationBatch
		if err := c.Raw(readBatchesSQL, l.cursor, l.cursor, batchPage).Scan(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 && l.cursor > 0 {
			return errBehind // the newest batch is never trimmed
		}
		for i := range rows {
			if err := l.applyBatch(&rows[i], v); err != nil || v.reload {
				return err
			}
		}
		if len(rows) < batchPage {
			return nil
		}
	}
	return nil
}

func (l *Log) applyBatch(b *models.RevocationBatch, v *view) error {
	switch {
	case l.cursor == 0: // the first one read, whatever was trimmed before it
		l.floor = max(l.floor, b.Seq)
	case b.Seq == l.cursor:
		return nil
	case b.Seq != l.cursor+1:
		v.reload = true
		return nil
	case !equalHash(b.PrevHash, l.head):
		return errForked
	}
	entries, err := decodeBody(b.Body)
	if err != nil {
		return err
	}
	l.mu.Lock()
	for _, e := range entries {
		l.add(e, b.Seq)
	}
	l.published.remember(b)
	l.mu.Unlock()
	l.cursor, l.head = b.Seq, hashBatch(l.logID, b)
	if b.WantAck {
		l.known.wanted(l.logID, b.Seq, l.local())
	}
	switch {
	case b.Seq > l.peak.seq:
		l.peak = peak{b.Seq, l.head}
	case b.Seq == l.peak.seq && !equalHash(l.head, l.peak.hash):
		return errForked
	}
	return nil
}

// runPolls polls, beats and keeps house until ctx ends.
func (l *Log) runPolls(ctx context.Context) {
	var beat, learn, tidy due
	var failing bool
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.wakePoll: // a batch was sealed here that somebody waits for
		}
		now := l.local()
		err := l.bounded(ctx, func(ctx context.Context) error {
			return errors.Join(beat.run(ctx, now, beatEvery, l.beat), l.poll(ctx),
				learn.run(ctx, now, learnEvery, l.learn), tidy.run(ctx, now, tidyEvery, l.Trim))
		})
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			l.report(err)
		}
		timer.Reset(pollEvery - pollEvery/10 + rand.N(pollEvery/5))
	}
}

// due runs something every so often.
type due struct{ last time.Time }

func (d *due) run(ctx context.Context, now time.Time, every time.Duration, fn func(context.Context) error) error {
	if elapsed(d.last, now) < every {
		return nil
	}
	d.last = now
	return fn(ctx)
}

// bounded is one round of the log. A panic in it is an error of that round: it
// must not end the server, and if every round panics, the view of this node
// grows old and it refuses by itself.
func (l *Log) bounded(ctx context.Context, fn func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("tokens: a round of the log panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(ctx)
}

// report says once that following the log fails, and once that it works again.
func (l *Log) report(err error) {
	if err != nil {
		l.log.Error("following the revocation log fails", "error", err)
		return
	}
	l.log.Info("following the revocation log works again")
}
