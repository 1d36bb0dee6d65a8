package audit

import (
	"gorm.io/gorm"

	"gatehouse/models"
)

// Erase blanks the personal fields and the salts of all rows about subject and
// records that it did. Without the salt the commitment that stays says nothing
// about what was there, and the chain stays valid.
//
// Rows in which the person acted on somebody else stay: they are the record of
// what was done to the other (GDPR, article 17(3)(e)).
func (l *Log) Erase(tx *gorm.DB, subject models.ID, by Event) error {
	err := tx.Model(&models.AuditEvent{}).
		Where("subject_id = ? AND personal IS NOT NULL", subject).
		UpdateColumns(map[string]any{"personal": nil, "salt": []byte{}}).Error
	if err != nil {
		return err
	}
	by.Action, by.Outcome, by.Subject = PersonErased, Success, subject
	by.IP, by.UserAgent, by.Personal = "", "", nil
	return l.Append(tx, by)
}
