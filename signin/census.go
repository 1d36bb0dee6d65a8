package signin

import (
	"context"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// Census is how many accounts have which second factors. Recovery codes stand in
// for a factor and are none.
type Census struct {
	Accounts, None, One, Several int64
	// Passkey, TOTP and Recovery are how many have one at all, or codes left.
	Passkey, TOTP, Recovery int64
	// Admins are the accounts with the role owner or admin, AdminsNone those of
	// them that a stolen password alone opens.
	Admins, AdminsNone int64
}

// isAdmin is true for a row of users with a role of administration. Roles are
// words with one space between them.
const isAdmin = `(roles IN ('owner', 'admin') OR roles LIKE 'owner %' OR roles LIKE 'admin %' OR roles LIKE '% owner' OR roles LIKE '% admin'
 OR roles LIKE '% owner %' OR roles LIKE '% admin %')`

// Passkeys and authenticator apps are counted from their own tables, which are
// small beside that of users.
const censusSQL = `SELECT (SELECT COUNT(*) FROM users) AS accounts,
 COALESCE(SUM(CASE WHEN n = 1 THEN 1 ELSE 0 END), 0) AS one, COALESCE(SUM(CASE WHEN n > 1 THEN 1 ELSE 0 END), 0) AS several,
 (SELECT COUNT(DISTINCT user_id) FROM passkeys) AS passkey, (SELECT COUNT(*) FROM totp_factors) AS totp,
 (SELECT COUNT(DISTINCT user_id) FROM recovery_codes WHERE used_at IS NULL) AS recovery,
 (SELECT COUNT(*) FROM users WHERE ` + isAdmin + `) AS admins,
 (SELECT COUNT(*) FROM users WHERE ` + isAdmin + ` AND ` + noFactor + `) AS admins_none
 FROM (SELECT user_id, COUNT(*) AS n FROM (SELECT user_id FROM totp_factors UNION ALL SELECT user_id FROM passkeys) AS held GROUP BY user_id) AS owners`

// Count takes the census, in one statement.
func (f *Factors) Count(ctx context.Context) (c Census, err error) {
	err = f.db.ReadRow(ctx, censusSQL).Scan(&c.Accounts, &c.One, &c.Several, &c.Passkey, &c.TOTP, &c.Recovery, &c.Admins, &c.AdminsNone)
	c.None = c.Accounts - c.One - c.Several
	return c, database.Unavailable(err)
}

// maxWithout is how many administrators are named.
const maxWithout = 100

// AdminsWithout are the administrators that a stolen password alone opens, for
// the eyes of the others: who keeps the server is asked first.
func (f *Factors) AdminsWithout(ctx context.Context) ([]models.User, error) {
	var list []models.User
	err := f.db.Read(ctx).Select("id", "email", "username", "name", "roles").Where(isAdmin).Where(noFactor).
		Order("id").Limit(maxWithout).Find(&list).Error
	return list, database.Unavailable(err)
}
