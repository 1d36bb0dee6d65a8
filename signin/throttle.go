package signin

import (
	"context"
	"encoding/binary"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// The tunables of the counters (NIST SP 800-63B-4, section 3.2.2; ASVS 5.0,
// 6.3.1). After the free tries each try makes the next one wait, 1 s first and
// twice as long every time, at most 1 h. No run of tries has more than 100. A
// run is forgotten after a day without a try; a right secret ends it at once.
const (
	defaultFree = 10
	firstDelay  = time.Second
	lastDelay   = time.Hour
	mostTries   = 100
	forgetAfter = 24 * time.Hour

	// doublings is how often the delay can double before it is the last one.
	doublings = 12
)

// errTooMany is the answer for a try that was not looked at.
var errTooMany = apperr.New(apperr.Throttled, "too_many_attempts")

// throttle counts the tries that were looked at, per account and factor,
// in the database, so that all nodes and all paths share one count.
type throttle struct {
	db    *database.DB
	box   *secrets.Box
	clock func() time.Time
	free  int // below 0 counts nothing
}

// slot is a try that was counted before its secret is compared; without a
// bucket none was.
type slot struct {
	bucket []byte
	at     models.Time
}

// bucket names the counter of an account, by its id, so that all its names
// share one. The time of the last password change is part of that of the
// password: what was tried against the old one says nothing about the new one,
// and who was locked out by a stranger gets in again after a reset. It is no
// part of the others, or a thief of the mailbox could reset the password for
// ten more guesses at the code. A name without an account has a counter of its
// own, so that it behaves the same.
//
// It is a keyed hash, because people type passwords into the wrong field and
// the table should not hold them.
func (t *throttle) bucket(factor string, u *models.User, login string) []byte {
	if u != nil {
		var since [8]byte
		if factor == FactorKnowledge {
			binary.LittleEndian.PutUint64(since[:], uint64(u.PasswordChangedAt.UnixMicro()))
		}
		return t.box.MAC("throttle/user", []byte(factor), u.ID.Bytes(), since[:])
	}
	key, _, ok := accounts.CanonicalLogin(login)
	if !ok {
		key = []byte(login)
	}
	return t.box.MAC("throttle/name", []byte(factor), key)
}

// Both statements reserve a slot under the condition that the last one is not
// to be waited for, and change nothing otherwise: their row count is the
// verdict, so that any number of tries at the same moment gets exactly the
// slots there are. Free tries leave next_at at 0 and not at "now", so that a
// try whose clock is a little behind is not refused.
const (
	reserveSQLite = `INSERT INTO throttle_counters (bucket, tries, next_at, updated_at) VALUES (?, 1, ?, ?)
 ON CONFLICT (bucket) DO UPDATE SET
 tries = CASE WHEN updated_at <= ? THEN 1 ELSE tries + 1 END,
 next_at = CASE
  WHEN updated_at <= ? THEN excluded.next_at
  WHEN tries + 1 >= ? THEN excluded.updated_at + ?
  WHEN tries + 1 < ? THEN 0
  ELSE excluded.updated_at + MIN(?, ? << MIN(tries + 1 - ?, ?)) END,
 updated_at = excluded.updated_at
 WHERE next_at <= excluded.updated_at`

	// MySQL assigns from left to right and sees what it has assigned: tries
	// first, next_at, on which everything depends, last. A forgotten run has
	// tries = 1 by then, like a new one.
	reserveMySQL = `INSERT INTO throttle_counters (bucket, tries, next_at, updated_at) VALUES (?, 1, ?, ?)
 ON DUPLICATE KEY UPDATE
 tries = IF(next_at <= VALUES(updated_at), IF(updated_at <= ?, 1, tries + 1), tries),
 updated_at = IF(next_at <= VALUES(updated_at), VALUES(updated_at), updated_at),
 next_at = IF(next_at > VALUES(updated_at), next_at, CASE
  WHEN tries = 1 THEN VALUES(next_at)
  WHEN tries >= ? THEN VALUES(updated_at) + ?
  WHEN tries < ? THEN 0
  ELSE VALUES(updated_at) + LEAST(?, ? << LEAST(tries - ?, ?)) END)`
)

// reserve counts one try, before its secret is compared. It answers
// too_many_attempts when the try has to wait.
func (t *throttle) reserve(ctx context.Context, bucket []byte) (slot, error) {
	s := slot{bucket, models.At(t.clock())}
	if t.free < 0 {
		return s, nil
	}
	n, err := t.db.Exec(ctx, t.statement(), t.args(s)...)
	if err != nil {
		return slot{}, err
	}
	if n == 0 {
		return slot{}, t.refusal(ctx, s)
	}
	return s, nil
}

func (t *throttle) statement() string {
	if t.db.Dialect() == database.MySQL {
		return reserveMySQL
	}
	return reserveSQLite
}

func (t *throttle) args(s slot) []any {
	now, free := s.at.UnixMicro(), int64(t.free)
	forgotten := now - forgetAfter.Microseconds()
	var first int64 // what the first try of a run leaves as next_at
	if free <= 1 {
		first = now + firstDelay.Microseconds()
	}
	args := []any{s.bucket, first, now, forgotten}
	if t.db.Dialect() == database.SQLite {
		args = append(args, forgotten)
	}
	return append(args, int64(mostTries), forgetAfter.Microseconds(), free,
		lastDelay.Microseconds(), firstDelay.Microseconds(), free, int64(doublings))
}

// refusal says how long to wait. When the counter is gone by now, the next try
// may be made at once.
func (t *throttle) refusal(ctx context.Context, s slot) error {
	var next int64
	err := t.db.Read(ctx).Raw(`SELECT next_at FROM throttle_counters WHERE bucket = ?`, s.bucket).Scan(&next).Error
	if err != nil {
		return database.Unavailable(err)
	}
	wait := time.Duration(next-s.at.UnixMicro()) * time.Microsecond
	return apperr.Throttle(errTooMany.Reason, max(wait, time.Second))
}

// giveBack takes a try out of the count whose secret was never compared,
// because the queue was full or the caller went away: refused tries do not
// count (security rule 13). It runs when the caller may be gone already.
func (t *throttle) giveBack(ctx context.Context, s slot) {
	if t.free < 0 || s.bucket == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	// A failure leaves one try counted too many, which is the safe side.
	_, _ = t.db.Exec(ctx, `UPDATE throttle_counters SET tries = tries - 1,
 next_at = CASE WHEN updated_at = ? THEN 0 ELSE next_at END WHERE bucket = ? AND tries > 0`, s.at, s.bucket)
}

// forgive ends the run in the transaction of a success.
func (t *throttle) forgive(tx *gorm.DB, s slot) error {
	if t.free < 0 || s.bucket == nil {
		return nil
	}
	return tx.Exec(`DELETE FROM throttle_counters WHERE bucket = ?`, s.bucket).Error
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
