package database

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

const (
	// maxTries bounds how often a transaction runs that meets deadlocks, which are
	// told at once: with the waits between them, three to four seconds.
	maxTries = 24
	minWait  = 2 * time.Millisecond
	maxWait  = 200 * time.Millisecond
	// maxWaits bounds the tries that each waited for a lock for as long as the
	// server lets them, five seconds. Whoever holds a lock for longer than two of
	// those has stopped, and every one that waits keeps a connection.
	maxWaits = 2
)

// writeMySQL runs fn in a transaction, again after a deadlock.
func (d *DB) writeMySQL(ctx context.Context, fn func(tx *gorm.DB) error) error {
	return d.retry(ctx, func() error { return d.transaction(ctx, fn) })
}

// execMySQL runs one autocommitted statement, again after a deadlock.
func (d *DB) execMySQL(ctx context.Context, query string, args []any) (rows int64, err error) {
	err = d.retry(ctx, func() (err error) {
		rows, err = affected(d.main.ExecContext(ctx, query, args...))
		return err
	})
	if err != nil {
		return 0, translate(err)
	}
	return rows, nil
}

// retry runs try until it succeeds, fails for good, or was tried often enough.
// What waits is told from what deadlocks by its error.
func (d *DB) retry(ctx context.Context, try func() error) error {
	waits := 0
	for n := 0; ; n++ {
		err := try()
		if err == nil || faultOf(err) != faultDeadlock || n+1 == maxTries {
			return Unavailable(err)
		}
		if hasWaited(err) {
			if waits++; waits == maxWaits {
				return Unavailable(err)
			}
		}
		if !sleep(ctx, backoff(n)) {
			return Unavailable(err)
		}
	}
}

// backoff grows with each try; its jitter keeps rivals from meeting again.
func backoff(n int) time.Duration {
	limit := min(minWait<<n, maxWait)
	return limit/2 + rand.N(limit/2)
}

// sleep waits, and reports false when ctx ended first.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// transaction runs fn once. An error of the storage outranks what fn returned,
// because fn may have wrapped or dropped it.
func (d *DB) transaction(ctx context.Context, fn func(tx *gorm.DB) error) (err error) {
	tx, err := d.main.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	finished := false
	defer func() {
		if !finished { // fn panicked
			_ = tx.Rollback()
		}
	}()
	err = fn(d.on(ctx, tx))
	finished = true
	if err == nil {
		return tx.Commit()
	}
	if fault := tx.Rollback(); fault != nil && fault != sql.ErrTxDone && faultOf(fault) != faultNone {
		return fault
	}
	return err
}
