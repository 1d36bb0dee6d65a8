package signin

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// forgetCodes deletes recovery codes that stand in for nothing any more.
func (f *Flow) forgetCodes(tx *gorm.DB, user models.ID) error {
	return tx.Exec(`DELETE FROM recovery_codes WHERE user_id = ?
 AND NOT EXISTS (SELECT 1 FROM totp_factors WHERE user_id = ?) AND NOT EXISTS (SELECT 1 FROM passkeys WHERE user_id = ?)`,
		user, user, user).Error
}

// NewCodes makes ten recovery codes; those of before are dead.
func (f *Flow) NewCodes(ctx context.Context, p tokens.Proof, by tokens.Client) ([]string, error) {
	a, err := f.mayChange(ctx, p)
	if err != nil {
		return nil, err
	}
	if !a.Held.Second() {
		return nil, ErrNoSecond
	}
	codes, err := f.newCodes(ctx)
	if err != nil {
		return nil, err
	}
	err = f.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := writeCodes(tx, a.ID, codes, models.At(f.Clock())); err != nil {
			return err
		}
		return f.noteFactor(tx, factorChange{a.User, audit.RecoveryMade, mail.KindRecoveryMade, "recovery", by})
	})
	if database.IsDuplicate(err) {
		err = errMeanwhile // two sets at the same moment
	}
	return codes.shown, err
}
