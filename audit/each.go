package audit

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// Each hands over the rows about a subject, in the order in which they were
// written.
func (l *Log) Each(ctx context.Context, subject models.ID, yield func(*models.AuditEvent) error) error {
	return database.Each(ctx, l.db, func(tx *gorm.DB) *gorm.DB { return tx.Where("subject_id = ?", subject) },
		func(r *models.AuditEvent) models.ID { return r.ID }, yield)
}
