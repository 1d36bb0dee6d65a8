package tokens

import (
	"strings"

	"gorm.io/gorm"

	"gatehouse/models"
)

// EraseUser forgets every session, refresh family, personal token and link of a
// person. What was signed is ended by the entry that the caller appends to the
// revocation log; a secret whose row is gone is one that was never made.
func (s *Service) EraseUser(tx *gorm.DB, user models.ID) error {
	for table := range strings.FieldsSeq("sessions refresh_families personal_tokens") {
		if err := tx.Exec(`DELETE FROM `+table+` WHERE user_id = ?`, user).Error; err != nil {
			return err
		}
	}
	return s.EraseLinks(tx, user)
}

// EraseLinks forgets every link of a subject, of whatever kind.
func (s *Service) EraseLinks(tx *gorm.DB, subject models.ID) error {
	return tx.Exec(`DELETE FROM one_time_tokens WHERE subject = ?`, subject).Error
}
