package tokens

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// mark remembers which batch was the newest at a moment of this process.
type mark struct {
	seq int64
	at  time.Time // local
}

// trimPages bounds the work of one Trim.
const trimPages = 16

// Trim deletes whole batches when every token that they refuse has expired,
// never the newest one, and never one that this process has not known for as
// long as a token lives by its own monotonic clock: a wall clock that is set
// forward and back must not make the log forget. It also forgets, in memory,
// what others trimmed.
func (l *Log) Trim(ctx context.Context) error {
	l.following.Lock()
	defer l.following.Unlock()
	if err := l.followFloor(ctx); err != nil {
		return err
	}
	now := l.local()
	l.marks = append(l.marks, mark{l.cursor, now})
	horizon, err := l.horizon(ctx, now)
	if err != nil {
		return err
	}
	for range trimPages {
		more, err := l.trimPage(ctx, horizon)
		if err != nil || !more {
			return errors.Join(err, l.trimNodes(ctx))
		}
	}
	return l.trimNodes(ctx)
}

// The first batch of a log that began anew says nothing about the floor of the
// one before it, so the log is named.
const oldestBatchSQL = `SELECT b.seq FROM revocation_batches b JOIN deployment d ON d.id = 1
 WHERE d.log_id = ? ORDER BY b.seq LIMIT 1`

// followFloor drops from memory what was sealed below the oldest batch.
func (l *Log) followFloor(ctx context.Context) error {
	var oldest []int64
	err := l.db.Read(ctx).Raw(oldestBatchSQL, l.logID).Scan(&oldest).Error
	if err != nil || len(oldest) == 0 || oldest[0] <= l.floor {
		return database.Unavailable(err)
	}
	l.floor = oldest[0]
	l.mu.Lock()
	l.set.Load().Drop(uint64(l.floor))
	l.mu.Unlock()
	l.publish()
	return nil
}

// horizon is the newest batch that may be trimmed by the time this process has
// known it. Older marks are of no more use.
func (l *Log) horizon(ctx context.Context, now time.Time) (int64, error) {
	row, err := l.deployment(ctx)
	if err != nil {
		return 0, err
	}
	life := time.Duration(row.AccessTTLMax)*time.Microsecond + untilMargin
	var seq int64
	for len(l.marks) > 0 && now.Sub(l.marks[0].at) >= life {
		if seq = l.marks[0].seq; len(l.marks) == 1 || now.Sub(l.marks[1].at) < life {
			break
		}
		l.marks = l.marks[1:]
	}
	return min(seq, l.cursor-1), nil
}

// trimPage deletes the oldest batches up to the first that is still needed.
func (l *Log) trimPage(ctx context.Context, horizon int64) (more bool, err error) {
	var rows []models.RevocationBatch
	err = l.db.Read(ctx).Raw("SELECT seq, body FROM revocation_batches WHERE seq <= ? ORDER BY seq LIMIT ?", horizon, batchPage).
		Scan(&rows).Error
	if err != nil {
		return false, database.Unavailable(err)
	}
	n, keep, err := l.expired(rows)
	if err != nil || n == 0 {
		return false, err
	}
	err = l.Write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("DELETE FROM revocation_batches WHERE seq >= ? AND seq <= ?", rows[0].Seq, rows[n-1].Seq)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected != int64(n) {
			return errRival
		}
		return l.Append(tx, keep...)
	})
	if errors.Is(err, errRival) {
		return false, nil
	}
	return err == nil && n == batchPage, err
}

// expired counts the batches at the front that nobody needs, and collects from
// them the revoked keys, which are appended again because they stay for ever.
func (l *Log) expired(rows []models.RevocationBatch) (n int, keep []Entry, err error) {
	now := l.clock()
	for _, row := range rows {
		entries, err := decodeBody(row.Body)
		if err != nil {
			return 0, nil, err
		}
		var forever []Entry
		for _, e := range entries {
			if e.Until.IsZero() {
				forever = append(forever, e)
			} else if !e.Until.Before(now) {
				return n, keep, nil
			}
		}
		n, keep = n+1, append(keep, forever...)
	}
	return n, keep, nil
}

// trimNodes deletes the rows of processes that ended without signing off. Not
// while the clock may be wrong: by one that is a day ahead every node is gone, and
// a receipt would be complete without those that live.
func (l *Log) trimNodes(ctx context.Context) error {
	if l.node.id.IsZero() || l.cluster != nil && !l.cluster.Settled() {
		return nil
	}
	_, err := l.db.Exec(ctx, "DELETE FROM nodes WHERE seen_at < ? AND id <> ?", models.At(l.clock().Add(-nodeGoneAfter)), l.node.id)
	if err != nil {
		return err
	}
	var gone []models.ID
	err = l.db.Read(ctx).Raw("SELECT a.node_id FROM node_acks a LEFT JOIN nodes n ON n.id = a.node_id WHERE n.id IS NULL").Scan(&gone).Error
	for _, id := range gone { // by id, so that nobody waits for the row of a node that registers now
		if err == nil {
			_, err = l.db.Exec(ctx, "DELETE FROM node_acks WHERE node_id = ?", id)
		}
	}
	return database.Unavailable(err)
}
