package signin

import (
	"context"

	"gatehouse/internal/database"
)

// Census is how many accounts have how many second factors.
type Census struct{ None, One, Several int64 }

// Passkeys and authenticator apps are counted from their own tables, which are
// small beside that of users.
const censusSQL = `SELECT (SELECT COUNT(*) FROM users), COALESCE(SUM(CASE WHEN n = 1 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN n > 1 THEN 1 ELSE 0 END), 0)
 FROM (SELECT user_id, COUNT(*) AS n FROM (SELECT user_id FROM totp_factors UNION ALL SELECT user_id FROM passkeys) AS held GROUP BY user_id) AS owners`

// Count takes the census, in one statement. Recovery codes stand in for a factor
// and are none.
func (f *Factors) Count(ctx context.Context) (c Census, err error) {
	var all int64
	err = f.db.ReadRow(ctx, censusSQL).Scan(&all, &c.One, &c.Several)
	c.None = all - c.One - c.Several
	return c, database.Unavailable(err)
}
