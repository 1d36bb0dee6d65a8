package accounts

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

const trimBatch = 500

// Trim deletes sign-ups that nobody confirmed in time, in bounded batches so
// that no statement holds others up. It is a job of server.
func (s *Service) Trim(ctx context.Context) error {
	for {
		var ids []models.ID
		err := s.DB.Read(ctx).Model(&models.PendingSignup{}).Where("expires_at < ?", s.now()).
			Limit(trimBatch).Pluck("id", &ids).Error
		if err != nil || len(ids) == 0 {
			return database.Unavailable(err)
		}
		err = s.DB.Write(ctx, func(tx *gorm.DB) error {
			for _, id := range ids {
				if err := tx.Exec(`DELETE FROM pending_signups WHERE id = ?`, id).Error; err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(ids) < trimBatch {
			return nil
		}
	}
}
