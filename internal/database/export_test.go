package database

import (
	"context"
	"runtime"

	"gorm.io/gorm"
)

// AwaitQueue returns when n callers wait for the writer.
func AwaitQueue(d *DB, n int) {
	for len(d.writer.queue) < n {
		runtime.Gosched()
	}
}

// DropWriter makes the writer and the readers open the file again.
func DropWriter(d *DB) {
	_ = d.writer.do(context.Background(), func(gorm.ConnPool) error {
		d.writer.state.broken = true
		return errClosed
	})
}

// Galera makes the database believe that it is a node of a cluster.
func Galera(d *DB) { d.galera.Store(true) }
