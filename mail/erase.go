package mail

import (
	"gorm.io/gorm"

	"gatehouse/models"
)

// Erase forgets every mail to these addresses, sent or not: their owner leaves.
func (m *Mailer) Erase(tx *gorm.DB, boxes ...string) error {
	for _, to := range boxes {
		if err := tx.Where("recipient_key = ?", m.recipientKey(to)).Delete(&models.OutboxMail{}).Error; err != nil {
			return err
		}
	}
	return nil
}
