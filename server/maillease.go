package server

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/lease"
)

const (
	// mailLeaseFor is how long mails wait at most when the node that sends them
	// dies; it is renewed while there is work, at most every mailLeaseRenew.
	mailLeaseFor   = 10 * time.Second
	mailLeaseRenew = 3 * time.Second
)

// mailLease makes one process of the cluster the one that sends mail, so that
// an SMTP server sees one client with one connection. It is for order, not for
// safety: should two believe to hold it, the claim of each mail decides.
func (r *Rooms) mailLease() (mine func(context.Context) (bool, error), release func(context.Context)) {
	holder := lease.NewHolder()
	var renewAt time.Time
	mine = func(ctx context.Context) (mine bool, err error) {
		now := r.Clock()
		if wait := renewAt.Sub(now); wait > 0 && wait <= mailLeaseRenew { // more is a clock that went back
			return true, nil
		}
		err = r.DB.Write(ctx, func(tx *gorm.DB) (err error) {
			mine, err = lease.Acquire(ctx, tx, "mail", holder, mailLeaseFor, now)
			return err
		})
		if mine = mine && err == nil; mine {
			renewAt = now.Add(mailLeaseRenew)
		}
		return mine, err
	}
	release = func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if renewAt.IsZero() {
			return
		}
		// Otherwise it ends by itself, and mails wait for that long.
		_ = r.DB.Write(ctx, func(tx *gorm.DB) error { return lease.Release(ctx, tx, "mail", holder) })
	}
	return mine, release
}
