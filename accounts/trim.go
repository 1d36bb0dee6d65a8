package accounts

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

const trimBatch = 500

// Trim deletes sign-ups that nobody confirmed in time, changes of addresses
// that can no longer be taken back, invitations and names that nobody waits for, in bounded
// batches so that no statement holds others up. It is a job of server.
func (s *Service) Trim(ctx context.Context) error {
	if err := s.trimEmailChanges(ctx); err != nil {
		return err
	}
	if err := s.trimReserved(ctx); err != nil {
		return err
	}
	if err := s.trimInvitations(ctx); err != nil {
		return err
	}
	return s.trimSignups(ctx)
}

func (s *Service) trimInvitations(ctx context.Context) error {
	for {
		var ids []models.ID
		err := s.DB.Read(ctx).Model(&models.Invitation{}).Where("expires_at < ?", s.now()).Limit(trimBatch).Pluck("id", &ids).Error
		if err != nil || len(ids) == 0 {
			return database.Unavailable(err)
		}
		if err := s.deleteByID(ctx, `DELETE FROM invitations WHERE id = ?`, ids); err != nil || len(ids) < trimBatch {
			return err
		}
	}
}

func (s *Service) trimEmailChanges(ctx context.Context) error {
	for {
		var ids []models.ID
		err := s.DB.Read(ctx).Model(&models.EmailChange{}).Where("expires_at < ?", s.now()).Limit(trimBatch).Pluck("id", &ids).Error
		if err != nil || len(ids) == 0 {
			return database.Unavailable(err)
		}
		if err := s.deleteByID(ctx, `DELETE FROM email_changes WHERE id = ?`, ids); err != nil || len(ids) < trimBatch {
			return err
		}
	}
}

func (s *Service) trimReserved(ctx context.Context) error {
	for {
		now := s.now()
		var rows []models.ReservedName
		err := s.DB.Read(ctx).Where("until < ?", now).Limit(trimBatch).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return database.Unavailable(err)
		}
		err = s.DB.Write(ctx, func(tx *gorm.DB) error {
			for _, row := range rows {
				err := tx.Exec(`DELETE FROM reserved_names WHERE kind = ? AND name_key = ? AND until < ?`, row.Kind, row.NameKey, now).Error
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(rows) < trimBatch {
			return err
		}
	}
}

func (s *Service) deleteByID(ctx context.Context, statement string, ids []models.ID) error {
	return s.DB.Write(ctx, func(tx *gorm.DB) error {
		for _, id := range ids {
			if err := tx.Exec(statement, id).Error; err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) trimSignups(ctx context.Context) error {
	for {
		var ids []models.ID
		err := s.DB.Read(ctx).Model(&models.PendingSignup{}).Where("expires_at < ?", s.now()).
			Limit(trimBatch).Pluck("id", &ids).Error
		if err != nil || len(ids) == 0 {
			return database.Unavailable(err)
		}
		if err := s.deleteByID(ctx, `DELETE FROM pending_signups WHERE id = ?`, ids); err != nil || len(ids) < trimBatch {
			return err
		}
	}
}
