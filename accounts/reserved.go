package accounts

import (
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/models"
)

// How long a name that was given up waits for its owner. Others know a person
// by it, so that whoever got it at once could pass as that person; an address
// waits for as long as its change can be taken back.
const (
	usernameKept = 30 * 24 * time.Hour
	emailKept    = 7 * 24 * time.Hour
	// maxKept bounds how many usernames one account can keep from others.
	maxKept = 10
)

const (
	keptUsername = "username"
	keptEmail    = "email"
)

// claimed checks, after a row has claimed its names, that none of them waits for
// somebody else, and takes back what waits for the row's own account.
//
// The order matters: the claim waits on the unique key for whoever gives the
// name up at this moment, and the reading after it sees what they committed.
func claimed(tx *gorm.DB, u *models.User, now models.Time) error {
	var rows []models.ReservedName
	err := tx.Raw(`SELECT kind, user_id FROM reserved_names
 WHERE until > ? AND (kind = ? AND name_key = ? OR kind = ? AND name_key = ?)`,
		now, keptEmail, u.EmailKey, keptUsername, u.UsernameKey).Scan(&rows).Error
	if err != nil {
		return err
	}
	for _, row := range rows {
		switch {
		case row.UserID == u.ID:
			continue
		case row.Kind == keptEmail:
			return errEmailTaken
		default:
			return errUsernameTaken
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return tx.Exec(`DELETE FROM reserved_names WHERE user_id = ? AND (kind = ? AND name_key = ? OR kind = ? AND name_key = ?)`,
		u.ID, keptEmail, u.EmailKey, keptUsername, u.UsernameKey).Error
}

// keep reserves a name that its owner has just given up, in the same
// transaction. A row that is still there is an old one of anybody's, because
// claimed let its owner have the name meanwhile.
func keep(tx *gorm.DB, kind string, key []byte, owner models.ID, until models.Time) error {
	if err := tx.Exec(`DELETE FROM reserved_names WHERE kind = ? AND name_key = ?`, kind, key).Error; err != nil {
		return err
	}
	return tx.Exec(`INSERT INTO reserved_names (kind, name_key, user_id, until) VALUES (?, ?, ?, ?)`,
		kind, key, owner, until).Error
}

// keepUsername reserves the old username, as far as the account may keep more.
func keepUsername(tx *gorm.DB, u *models.User, now models.Time) error {
	if len(u.UsernameKey) == 0 {
		return nil
	}
	var n int64
	err := tx.Raw(`SELECT COUNT(*) FROM reserved_names WHERE user_id = ? AND kind = ? AND until > ?`,
		u.ID, keptUsername, now).Scan(&n).Error
	if err != nil {
		return err
	}
	if n >= maxKept {
		return apperr.InvalidField("username", "changed_often")
	}
	return keep(tx, keptUsername, u.UsernameKey, u.ID, models.At(now.Add(usernameKept)))
}
