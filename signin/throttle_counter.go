package signin

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// counter is one row. A try is not counted in it while the run "unless" has to
// wait.
type counter struct {
	name   []byte
	growth growth
	unless []byte
}

// A statement reserves a slot under the condition that the last one is not to
// be waited for, and changes nothing otherwise: its row count is the verdict, so
// that any number of tries at the same moment gets exactly the slots there are.
// Free tries leave next_at at 0 and not at "now", so that a try whose clock is a
// little behind is not refused.
const (
	always = ` VALUES (?, 1, ?, ?)`
	unless = ` SELECT ?, 1, ?, ? FROM (SELECT 1) one
 WHERE NOT EXISTS (SELECT 1 FROM throttle_counters other WHERE other.bucket = ? AND other.next_at > ?)`

	addSQLite = `
 ON CONFLICT (bucket) DO UPDATE SET
 tries = CASE WHEN updated_at <= ? THEN 1 ELSE tries + 1 END,
 next_at = CASE
  WHEN updated_at <= ? THEN excluded.next_at
  WHEN tries + 1 >= ? THEN excluded.updated_at + ?
  WHEN tries + 1 < ? THEN 0
  ELSE excluded.updated_at + MIN(?, ? << MIN((tries + 1 - ?) * ?, ?)) END,
 updated_at = excluded.updated_at
 WHERE next_at <= excluded.updated_at`

	// MySQL assigns from left to right and sees what it has assigned: tries
	// first, next_at, on which everything depends, last. A forgotten run has
	// tries = 1 by then, like a new one.
	addMySQL = `
 ON DUPLICATE KEY UPDATE
 tries = IF(next_at <= VALUES(updated_at), IF(updated_at <= ?, 1, tries + 1), tries),
 updated_at = IF(next_at <= VALUES(updated_at), VALUES(updated_at), updated_at),
 next_at = IF(next_at > VALUES(updated_at), next_at, CASE
  WHEN tries = 1 THEN VALUES(next_at)
  WHEN tries >= ? THEN VALUES(updated_at) + ?
  WHEN tries < ? THEN 0
  ELSE VALUES(updated_at) + LEAST(?, ? << LEAST((tries - ?) * ?, ?)) END)`
)

func (t *throttle) add(do exec, s slot, c counter) (bool, error) {
	query, args := t.statement(s, c)
	n, err := do(query, args...)
	return n > 0, err
}

func (t *throttle) statement(s slot, c counter) (query string, args []any) {
	now, free := s.at.UnixMicro(), int64(t.free)
	var first int64 // what the first try of a run leaves as next_at
	if free <= 1 {
		first = now + firstDelay.Microseconds()
	}
	query, args = `INSERT INTO throttle_counters (bucket, tries, next_at, updated_at)`, []any{c.name, first, now}
	if c.unless == nil {
		query += always
	} else {
		query, args = query+unless, append(args, c.unless, now)
	}
	forgotten := now - forgetAfter.Microseconds()
	args = append(args, forgotten)
	if t.db.Dialect() == database.MySQL {
		query += addMySQL
	} else {
		query, args = query+addSQLite, append(args, forgotten)
	}
	return query, append(args, int64(mostTries), forgetAfter.Microseconds(), free,
		c.growth.last.Microseconds(), firstDelay.Microseconds(), free, c.growth.bits, c.growth.most)
}

const trimBatch = 500

// trim deletes runs that are forgotten anyway, in bounded batches.
func (t *throttle) trim(ctx context.Context) error {
	for {
		before := models.At(t.clock().Add(-forgetAfter))
		var buckets [][]byte
		err := t.db.Read(ctx).Model(&models.ThrottleCounter{}).Where("updated_at <= ?", before).
			Limit(trimBatch).Pluck("bucket", &buckets).Error
		if err != nil || len(buckets) == 0 {
			return database.Unavailable(err)
		}
		if err := t.drop(ctx, buckets, before); err != nil || len(buckets) < trimBatch {
			return err
		}
	}
}

func (t *throttle) drop(ctx context.Context, buckets [][]byte, before models.Time) error {
	return t.db.Write(ctx, func(tx *gorm.DB) error {
		for _, b := range buckets {
			if err := tx.Exec(`DELETE FROM throttle_counters WHERE bucket = ? AND updated_at <= ?`, b, before).Error; err != nil {
				return err
			}
		}
		return nil
	})
}
