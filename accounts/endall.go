package accounts

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/models"
	"gatehouse/tokens"
)

// EndAllSessions signs a person out everywhere, here included, and ends every
// access token: both epochs go up, so that a sign-in or a refresh of the same
// moment is dead on arrival. The record of it is that of tokens, with the reason.
func (s *Service) EndAllSessions(ctx context.Context, user models.ID, by tokens.Client) error {
	return s.Tokens.Log.Write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE users SET token_epoch = token_epoch + 1, session_epoch = session_epoch + 1, updated_at = ?
 WHERE id = ?`, s.now(), user)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return ErrNotFound
		}
		return s.endAll(tx, user, "all_ended", models.ID{})
	})
}
