package tokens

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/verify"
)

// renewTimeout bounds the procedure; millions of sessions end in it.
const renewTimeout = 15 * time.Minute

// readLogID notices that the log began anew. It is read before the batches:
// what is read afterwards can only be of a later log than it says, never of an
// earlier one.
func (l *Log) readLogID(_ context.Context, c *gorm.DB, _ *view) error {
	var ids []models.ID
	if err := c.Raw("SELECT log_id FROM deployment WHERE id = 1").Scan(&ids).Error; err != nil {
		return err
	}
	switch {
	case len(ids) == 0:
		return errBehind
	case ids[0] != l.logID:
		return errOtherLog
	}
	return nil
}

// resolve finds out by a causal read why the log is not what this node knew: it
// began anew, the database went back in time, or a replica lags. Until that is
// known this node is not ready. The caller holds following.
func (l *Log) resolve(ctx context.Context, cause error) error {
	row, err := l.deployment(ctx)
	switch {
	case err != nil:
		return errors.Join(cause, err)
	case row.LogID != l.logID:
		return l.follow(ctx, row.LogID)
	case errors.Is(cause, errOtherLog):
		return cause // a replica that lags
	}
	return l.lost(ctx, cause, Evidence{Why: WhyLog, holds: l.peakIsGone})
}

// lost begins the log anew if the database really went back in time. A chain
// that broke otherwise is a fault of this node's database; everything else may
// be a replica that lags and is asked again. The caller holds following.
func (l *Log) lost(ctx context.Context, cause error, e Evidence) error {
	renewed, err := l.suspect(ctx, e)
	switch {
	case err != nil:
		return errors.Join(cause, err)
	case renewed:
		return nil
	case errors.Is(cause, errForked), l.renewer == nil && errors.Is(cause, errLostBeat):
		return l.fail(cause)
	}
	return cause
}

// Suspect begins the log anew if the evidence still holds where it counts, and
// reports whether it did, or somebody else at the same moment.
func (l *Log) Suspect(ctx context.Context, e Evidence) (renewed bool, err error) {
	l.following.Lock()
	defer l.following.Unlock()
	return l.suspect(ctx, e)
}

func (l *Log) suspect(ctx context.Context, e Evidence) (bool, error) {
	switch {
	case l.renewer == nil:
		return false, nil
	case !e.Log.IsZero() && e.Log != l.logID:
		return true, nil // while this one waited, somebody reacted
	}
	// Whoever found out may go away; what has begun is brought to its end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
	defer cancel()
	row, err := l.deployment(ctx)
	if err != nil {
		return false, err
	}
	if row.LogID != l.logID {
		return true, l.follow(ctx, row.LogID)
	}
	done, err := l.renewer.renew(ctx, row.LogID, e, false)
	if errors.Is(err, errUnfounded) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if done == nil { // another process was first
		if row, err = l.deployment(ctx); err != nil || row.LogID == l.logID {
			return false, err
		}
		return true, l.follow(ctx, row.LogID)
	}
	return true, l.change(ctx, done.LogID)
}

// follow goes over to the log that the database has now, if that was begun
// after the one this node knew. A log that never heard of ours is older than
// ours, so it is no log to believe.
func (l *Log) follow(ctx context.Context, to models.ID) error {
	known, err := l.left(ctx, l.logID)
	if err != nil {
		return err
	}
	if known || l.renewer == nil {
		return l.change(ctx, to)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
	defer cancel()
	done, err := l.renewer.renew(ctx, to, neverLeft(l.logID), false)
	switch {
	case err != nil:
		return errors.Join(errOtherLog, err)
	case done == nil:
		return errOtherLog // the next poll follows who was first
	}
	return l.change(ctx, done.LogID)
}

// left reports whether a log was left in favour of a later one.
func (l *Log) left(ctx context.Context, logID models.ID) (known bool, err error) {
	var n int64
	err = l.db.CausalRead(ctx, func(c *gorm.DB) error {
		return c.Raw("SELECT COUNT(*) FROM past_logs WHERE log_id = ?", logID).Scan(&n).Error
	})
	return n > 0, database.Unavailable(err)
}

// change reads a log that began anew from its start, into a set of its own: an
// epoch of a future that is lost would refuse tokens that are good now. The set
// before it stays in force until the new one is whole, and the keys that it
// names for ever.
func (l *Log) change(ctx context.Context, to models.ID) error {
	l.log.Warn("the revocation log began anew; reading all of it", "log", to.String())
	fresh := verify.NewEnded(0)
	fresh.TakeKeys(l.set.Load())
	l.mu.Lock()
	l.filling, l.status.behind = fresh, errOtherLog
	l.published.history, l.published.size = nil, 0
	l.mu.Unlock()
	l.logID, l.peak, l.floor, l.marks = to, peak{}, 0, nil
	l.renewer.learn(ctx)
	if err := l.registerAgain(ctx); err != nil {
		return err
	}
	return l.reload(ctx)
}

// registerAgain makes a new row for this node if its own went back in time
// with the rest, where no beat would ever be read back from it.
func (l *Log) registerAgain(ctx context.Context) error {
	if l.node.id.IsZero() {
		return nil
	}
	rows, err := l.db.Exec(ctx, "DELETE FROM nodes WHERE id = ? AND boot = ? AND beat < ?", l.node.id, l.node.boot, l.node.beat)
	if err != nil || rows == 0 {
		return err // a row that is not there at all is found out by the next beat
	}
	if _, err := l.db.Exec(ctx, "DELETE FROM node_acks WHERE node_id = ?", l.node.id); err != nil {
		return err
	}
	return l.register(ctx)
}

// filled puts the set of a new log in force. The caller holds mu.
func (l *Log) filled() {
	if l.filling != nil {
		l.set.Store(l.filling)
		l.filling = nil
	}
}

// outlived reports whether a refresh family was kept by a restore that ended
// everything else.
func (l *Log) outlived(ctx context.Context, family models.ID) (bool, error) {
	var n int64
	err := l.db.CausalRead(ctx, func(c *gorm.DB) error {
		return c.Raw(`SELECT COUNT(*) FROM past_logs p JOIN refresh_families f ON f.id = ?
 WHERE p.sessions_kept = 1 AND p.left_at >= f.created_at`, family).Scan(&n).Error
	})
	return n > 0, database.Unavailable(err)
}
