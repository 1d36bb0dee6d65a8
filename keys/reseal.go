package keys

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// Reseal seals the private halves under the SECRET_KEY of today. The keys stay
// what they are, so nobody else notices. All of them open or nothing changes.
func (r *Ring) Reseal(ctx context.Context) (done int, err error) {
	var rows []models.SigningKey
	err = r.o.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		return tx.Where("state <> ?", StateRevoked).Find(&rows).Error
	})
	if err != nil {
		return 0, database.Unavailable(err)
	}
	err = r.o.DB.Write(ctx, func(tx *gorm.DB) error {
		done = 0
		for _, row := range rows {
			n, err := r.reseal(tx, row)
			if err != nil {
				return err
			}
			done += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return done, r.Reload(ctx)
}

func (r *Ring) reseal(tx *gorm.DB, row models.SigningKey) (int, error) {
	again, changed, err := r.o.Box.Reseal(row.TableName(), "private", place(row), row.Private)
	if err != nil {
		return 0, ErrSecretKey
	}
	if !changed {
		return 0, nil
	}
	// The condition leaves a key alone that was revoked meanwhile.
	res := tx.Model(&models.SigningKey{}).Where("kid = ? AND private = ?", row.KID, row.Private).Update("private", again)
	return int(res.RowsAffected), res.Error
}
