package tokens

import (
	"context"
	"strings"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// trimBatch rows are deleted by one statement: small enough that nobody waits
// for it, and on SQLite one guest among others in the grouped commit.
const trimBatch = 500

// trimmed are the tables whose rows end by themselves, with the column that
// says when. A session or family that was ended keeps its row until its
// absolute end, so that a stolen token which comes back is known for what it is.
var trimmed = []struct{ table, column string }{
	{"sessions", "absolute_until"},
	{"refresh_families", "absolute_until"},
	{"one_time_tokens", "expires_at"},
	{"personal_tokens", "expires_at"},
}

// Trim deletes rows that nobody can use any more, in bounded batches, until
// none is left or ctx ends. Any node may run it at any time.
func (s *Service) Trim(ctx context.Context) error {
	for _, t := range trimmed {
		for more := true; more; {
			var err error
			if more, err = s.trimOnce(ctx, t.table, t.column); err != nil {
				return err
			}
		}
	}
	return s.Feed.trim(ctx)
}

// trimOnce deletes one batch and tells whether there may be more. The ids are
// read first and the statement starts at them: a range DELETE can become a full
// scan on MySQL and then waits for strangers' uncommitted rows. A batch of which
// nothing was deleted was taken by another node, which then goes on by itself.
func (s *Service) trimOnce(ctx context.Context, table, column string) (more bool, err error) {
	var ids []models.ID
	err = s.db.Read(ctx).Raw(`SELECT id FROM `+table+` WHERE `+column+` <= ? ORDER BY `+column+` LIMIT ?`,
		models.At(s.clock()), trimBatch).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return false, database.Unavailable(err)
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	deleted, err := s.db.Exec(ctx, deleteByID(s.db.Dialect(), table, len(ids)), args...)
	return deleted > 0 && len(ids) == trimBatch, err
}

// deleteByID needs the CAST because the server otherwise guesses the type of a
// bare parameter in a SELECT list, and the guess equals no id.
func deleteByID(dialect, table string, n int) string {
	if dialect == database.SQLite {
		return `DELETE FROM ` + table + ` WHERE id IN (?` + strings.Repeat(`, ?`, n-1) + `)`
	}
	return `DELETE t FROM (SELECT CAST(? AS BINARY(16)) AS id` +
		strings.Repeat(` UNION ALL SELECT CAST(? AS BINARY(16))`, n-1) + `) k
 STRAIGHT_JOIN ` + table + ` t ON t.id = k.id`
}
