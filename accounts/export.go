package accounts

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/accounts/moving"
	"gatehouse/internal/database"
	"gatehouse/models"
)

// exportPage is how many accounts one query reads.
const exportPage = 2000

// Export hands every account to write, in the order of their ids, with its
// password hash and its factors. Accounts that come or change meanwhile may be
// seen as before or after.
func (s *Service) Export(ctx context.Context, write func(*moving.User) error) (n int64, err error) {
	after := models.ID{}
	for {
		page, err := s.exportPage(ctx, after)
		if err != nil {
			return n, database.Unavailable(err)
		}
		for i := range page {
			if err := write(&page[i].User); err != nil {
				return n, err
			}
			n++
		}
		if len(page) < exportPage {
			return n, nil
		}
		after = page[len(page)-1].id
	}
}

type exported struct {
	moving.User
	id models.ID
}

const exportSQL = `SELECT id, email, email_verified_at, username, name, roles, disabled_at, password_hash, created_at
 FROM users WHERE id > ? ORDER BY id LIMIT ?`

func (s *Service) exportPage(ctx context.Context, after models.ID) ([]exported, error) {
	var page []exported
	err := s.DB.CausalRead(ctx, func(tx *gorm.DB) (err error) {
		if page, err = readUsers(tx, after); err != nil || len(page) == 0 {
			return err
		}
		return s.addOthers(tx, page, after)
	})
	return page, err
}

// readUsers scans by hand: GORM's reflection would cost more than the reading.
func readUsers(tx *gorm.DB, after models.ID) ([]exported, error) {
	// Bytes, because the zero id, with which an export begins, would be NULL.
	rows, err := tx.Raw(exportSQL, after.Bytes(), exportPage).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	page := make([]exported, 0, exportPage)
	for rows.Next() {
		var u exported
		var verified, disabled, created models.Time
		var username *string
		var roles string
		err := rows.Scan(&u.id, &u.Email, &verified, &username, &u.Name, &roles, &disabled, &u.PasswordHash, &created)
		if err != nil {
			return nil, err
		}
		u.ID, u.EmailVerified, u.Disabled = u.id.String(), !verified.IsZero(), !disabled.IsZero()
		u.Roles, u.CreatedAt = models.Words(roles).List(), moving.FormatTime(created.Time)
		if username != nil {
			u.Username = *username
		}
		page = append(page, u)
	}
	return page, rows.Err()
}

// addOthers adds what stands in other tables, a query each for the whole page.
func (s *Service) addOthers(tx *gorm.DB, page []exported, after models.ID) error {
	last := page[len(page)-1].id
	var list []models.ExternalID
	err := tx.Where("user_id > ?", after.Bytes()).Where("user_id <= ?", last.Bytes()).Find(&list).Error
	if err != nil {
		return err
	}
	external := make(map[models.ID][]byte, len(list))
	for _, x := range list {
		external[x.UserID] = x.ExternalID
	}
	factors := map[models.ID]*Factors{}
	if s.Factors.Export != nil {
		if factors, err = s.Factors.Export(tx, after, last); err != nil {
			return err
		}
	}
	for i := range page {
		u := &page[i]
		u.ExternalID = string(external[u.id])
		if f := factors[u.id]; f != nil {
			u.Passkeys, u.RecoveryCodes = f.Passkeys, f.RecoveryCodes
			if f.TOTP != nil {
				u.TOTPSeed = f.TOTP.String()
			}
		}
	}
	return nil
}
