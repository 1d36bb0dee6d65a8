package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/internal/lease"

	"gorm.io/gorm"
)

const (
	migrationLease = "migrate"
	// leaseTTL is how long the others wait for a node that died on the way. The
	// lease is renewed while the migration runs.
	leaseTTL   = 30 * time.Second
	leaseRenew = leaseTTL / 3
	leasePoll  = 100 * time.Millisecond
)

var errLeaseLost = errors.New("database: another process took the migration over")

// exclusively runs fn in one process of the cluster at a time: nodes that start
// at once on one new database migrate it once.
func (d *DB) exclusively(ctx context.Context, fn func(context.Context) error) error {
	if err := d.Write(ctx, func(tx *gorm.DB) error { return lease.CreateTable(ctx, tx) }); err != nil {
		return migrateError(err)
	}
	holder := lease.NewHolder()
	if err := d.awaitLease(ctx, holder); err != nil {
		return migrateError(err)
	}
	defer func() {
		ctx, cancel := Afterwards(ctx)
		defer cancel()
		_ = d.Write(ctx, func(tx *gorm.DB) error {
			return lease.Release(tx.Statement.Context, tx, migrationLease, holder)
		})
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go d.renewLease(ctx, holder, cancel)
	err := fn(ctx)
	if lost := context.Cause(ctx); err != nil && errors.Is(lost, errLeaseLost) {
		return lost
	}
	return migrateError(err)
}

// awaitLease returns when holder has the lease.
func (d *DB) awaitLease(ctx context.Context, holder string) error {
	for told := false; ; told = true {
		ok, err := d.tryLease(ctx, holder)
		if ok || err != nil {
			return err
		}
		if !told {
			d.log.InfoContext(ctx, "waiting for another process that migrates the database")
		}
		if !sleep(ctx, leasePoll) {
			return ctx.Err()
		}
	}
}

func (d *DB) tryLease(ctx context.Context, holder string) (ok bool, err error) {
	err = d.Write(ctx, func(tx *gorm.DB) (err error) {
		ok, err = lease.Acquire(ctx, tx, migrationLease, holder, leaseTTL, d.clock())
		return err
	})
	return ok && err == nil, err
}

// renewLease keeps the lease until ctx ends. Only the news that somebody else
// has it stops the migration; a storage that is busy with it does not.
func (d *DB) renewLease(ctx context.Context, holder string, lost context.CancelCauseFunc) {
	for sleep(ctx, leaseRenew) {
		if ok, err := d.tryLease(ctx, holder); err == nil && !ok {
			lost(errLeaseLost)
			return
		}
	}
}

// migrateError says in one line what the migration met.
func migrateError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the database cannot be migrated: %w", err)
}
