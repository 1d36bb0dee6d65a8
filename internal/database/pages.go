package database

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/models"
)

// pageSize is how many rows Each holds at once.
const pageSize = 500

// Each hands every row of a condition to yield, in the order of their ids and a
// page at a time, so that a million rows need no more memory than a thousand
// and no query is open while yield works.
func Each[T any](ctx context.Context, db *DB, where func(tx *gorm.DB) *gorm.DB, id func(*T) models.ID, yield func(*T) error) error {
	after := models.ID{}
	for {
		var rows []T
		// Bytes, because the zero id, with which this begins, would be NULL.
		err := where(db.Read(ctx)).Where("id > ?", after.Bytes()).Order("id").Limit(pageSize).Find(&rows).Error
		if err != nil {
			return Unavailable(err)
		}
		for i := range rows {
			if err := yield(&rows[i]); err != nil {
				return err
			}
		}
		if len(rows) < pageSize {
			return nil
		}
		after = id(&rows[len(rows)-1])
	}
}
