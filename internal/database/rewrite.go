package database

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// rewriteBatch bounds the rows of one transaction, so that it stays short.
const rewriteBatch = 200

// cell is one value of a column and the row it stands in.
type cell struct {
	ID    []byte
	Value []byte
}

// write is what a value becomes.
type write struct {
	cell
	next []byte
}

// RewriteColumn hands every value of a binary column that is not NULL to
// change, by the primary key id, and writes what it answers in its place.
// changed is false for a value that stays. A value that somebody else changes
// meanwhile is left alone. Table and column are constants of the caller's.
func (d *DB) RewriteColumn(ctx context.Context, table, column string, change func(id, value []byte) (next []byte, changed bool)) (rows int, err error) {
	after := []byte{}
	for {
		var batch []cell
		query := fmt.Sprintf("SELECT id, %s AS value FROM %s WHERE %s IS NOT NULL AND id > ? ORDER BY id LIMIT %d", column, table, column, rewriteBatch)
		err := d.CausalRead(ctx, func(tx *gorm.DB) error { return tx.Raw(query, after).Scan(&batch).Error })
		if err != nil || len(batch) == 0 {
			return rows, Unavailable(err)
		}
		n, err := d.rewrite(ctx, table, column, batch, change)
		if err != nil {
			return rows, err
		}
		rows, after = rows+n, batch[len(batch)-1].ID
	}
}

func (d *DB) rewrite(ctx context.Context, table, column string, batch []cell, change func(id, value []byte) ([]byte, bool)) (rows int, err error) {
	update := fmt.Sprintf("UPDATE %s SET %s = ? WHERE id = ? AND %s = ?", table, column, column)
	var writes []write
	for _, c := range batch {
		if next, changed := change(c.ID, c.Value); changed {
			writes = append(writes, write{c, next})
		}
	}
	if len(writes) == 0 {
		return 0, nil
	}
	err = d.Write(ctx, func(tx *gorm.DB) error {
		rows = 0
		for _, w := range writes {
			done := tx.Exec(update, w.next, w.ID, w.Value)
			if done.Error != nil {
				return done.Error
			}
			rows += int(done.RowsAffected)
		}
		return nil
	})
	return rows, err
}
