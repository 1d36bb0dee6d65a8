package accounts

import (
	"gorm.io/gorm"

	"gatehouse/models"
)

// isOwner finds the word "owner" in the list of words. "roles > ”" comes
// first because the index on roles skips everybody who has none with it.
const isOwner = `roles > '' AND (roles = 'owner' OR roles LIKE 'owner %' OR roles LIKE '% owner' OR roles LIKE '% owner %')`

// keepAnOwner refuses, in the transaction that takes id out of the owners, to
// leave nobody who could still be one in a month: an owner whose account is
// being closed does not count. It WRITES the rows of the other owners and counts them:
// reading them would let two owners remove each other at the same moment, on
// Galera even with FOR UPDATE. With the write, one of the two transactions has
// to start again and then finds itself alone.
func (s *Service) keepAnOwner(tx *gorm.DB, id models.ID, was models.Words) error {
	if !was.Has(RoleOwner) {
		return nil
	}
	res := tx.Exec(`UPDATE users SET updated_at = updated_at + 1 WHERE id <> ? AND disabled_at IS NULL AND erase_at IS NULL AND `+isOwner, id)
	if res.Error != nil || res.RowsAffected > 0 {
		return res.Error
	}
	return ErrLastOwner
}

func rolesOf(tx *gorm.DB, id models.ID) (roles models.Words, err error) {
	err = tx.Raw(`SELECT roles FROM users WHERE id = ?`, id).Scan(&roles).Error
	return roles, err
}

// hasOwner reports whether anybody is an owner, enabled or not.
func hasOwner(tx *gorm.DB) (bool, error) {
	var n int64
	err := tx.Raw(`SELECT COUNT(*) FROM users WHERE ` + isOwner).Scan(&n).Error
	return n > 0, err
}
