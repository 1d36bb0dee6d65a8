package database

import (
	"context"

	"gorm.io/gorm"
)

// CausalRead runs fn on a connection that sees everything that was acknowledged
// before, by any node. On Galera a node may otherwise answer from the past
// (wsrep_sync_wait); elsewhere every read is like that.
func (d *DB) CausalRead(ctx context.Context, fn func(tx *gorm.DB) error) error {
	if !d.galera.Load() {
		return Unavailable(fn(d.Read(ctx)))
	}
	c, err := d.main.Conn(ctx)
	if err != nil {
		return Unavailable(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "SET SESSION wsrep_sync_wait = 1"); err != nil {
		return Unavailable(err)
	}
	defer func() {
		ctx, cancel := Afterwards(ctx)
		defer cancel()
		_, _ = c.ExecContext(ctx, "SET SESSION wsrep_sync_wait = DEFAULT")
	}()
	return Unavailable(fn(d.on(ctx, c)))
}
