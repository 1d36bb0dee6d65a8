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
}

// Trim deletes rows that nobody can use any more, in bounded batches, until
// none is left or ctx ends. Any node may run it at any time.
func (s *Service) Trim(ctx context.Context) error {
	for _, t := range trimmed {
		for {
			n, err := s.trimOnce(ctx, t.table, t.column)
			if err != nil {
				return err
			}
			if n < trimBatch {
				break
			}
		}
	}
	return nil
}

// trimOnce deletes one batch and answers how many rows it looked at. The ids
// are read first and the statement starts at them: a range DELETE can become a
// full scan on MySQL and then waits for strangers' uncommitted rows.
func (s *Service) trimOnce(ctx context.Context, table, column string) (int, error) {
	var ids []models.ID
	err := s.db.Read(ctx).Raw(`SELECT id FROM `+table+` WHERE `+column+` <= ? ORDER BY `+column+` LIMIT ?`,
		models.At(s.clock()), trimBatch).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return 0, database.Unavailable(err)
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	_, err = s.db.Exec(ctx, s.deleteSQL(table, len(ids)), args...)
	return len(ids), err
}

func (s *Service) deleteSQL(table string, n int) string {
	if s.db.Dialect() == "mysql" {
		return `DELETE t FROM (SELECT ? AS id` + strings.Repeat(` UNION ALL SELECT ?`, n-1) + `) k
 STRAIGHT_JOIN ` + table + ` t ON t.id = k.id`
	}
	return `DELETE FROM ` + table + ` WHERE id IN (?` + strings.Repeat(`, ?`, n-1) + `)`
}
