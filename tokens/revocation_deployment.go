package tokens

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// openDeployment reads the one row about the installation, makes it at the
// very first start, and raises the longest life that access tokens ever had.
// It runs before this node issues its first token.
func (l *Log) openDeployment(ctx context.Context) error {
	row, err := l.deployment(ctx)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		if err := l.makeDeployment(ctx); err != nil {
			return err
		}
		row, err = l.deployment(ctx)
	}
	if err != nil {
		return err
	}
	l.logID = row.LogID
	l.longest = max(l.ttl, time.Duration(row.AccessTTLMax)*time.Microsecond)
	if ttl := l.ttl.Microseconds(); row.AccessTTLMax < ttl {
		_, err = l.db.Exec(ctx, "UPDATE deployment SET access_ttl_max = ? WHERE id = 1 AND access_ttl_max < ?", ttl, ttl)
	}
	return err
}

// LongestLife is the longest life that access tokens of this deployment ever
// had, on any node and under any setting.
func (l *Log) LongestLife(ctx context.Context) (time.Duration, error) {
	row, err := l.deployment(ctx)
	if err != nil {
		return 0, err
	}
	return max(time.Duration(row.AccessTTLMax)*time.Microsecond, l.ttl), nil
}

func (l *Log) deployment(ctx context.Context) (row models.Deployment, err error) {
	err = l.db.CausalRead(ctx, func(c *gorm.DB) error { return c.Where("id = ?", 1).Take(&row).Error })
	return row, database.Unavailable(err)
}

// makeDeployment lets the key decide between nodes that start together.
func (l *Log) makeDeployment(ctx context.Context) error {
	_, err := l.db.Exec(ctx, "INSERT INTO deployment (id, log_id, access_ttl_max, created_at) VALUES (1, ?, ?, ?)",
		models.NewID(), l.ttl.Microseconds(), models.At(l.clock()))
	if database.IsDuplicate(err) {
		return nil
	}
	return err
}
