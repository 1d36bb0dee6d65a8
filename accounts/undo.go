package accounts

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// EmailUndo is what the page of the link "this wasn't me" shows.
type EmailUndo struct {
	Login string // for password managers, as it will be again
	Email string // the address that comes back
}

// PeekUndo reads the link and consumes nothing, because mail scanners follow
// links.
func (s *Service) PeekUndo(ctx context.Context, token string) (EmailUndo, error) {
	_, c, u, err := s.undoOf(ctx, token)
	if err != nil {
		return EmailUndo{}, err
	}
	login := usernameOf(u)
	if login == "" {
		login = c.OldEmail
	}
	return EmailUndo{login, c.OldEmail}, nil
}

// undoOf is the change that a link takes back.
func (s *Service) undoOf(ctx context.Context, token string) (tokens.Found, *models.EmailChange, *models.User, error) {
	link, err := s.Tokens.Links.Peek(ctx, tokens.UndoEmail, token)
	if err != nil {
		return link, nil, nil, err
	}
	c, u, err := s.emailChange(ctx, link)
	if err == nil && (c.ChangedAt.IsZero() || !c.UndoneAt.IsZero()) {
		err = tokens.ErrLink
	}
	return link, c, u, err
}

// UndoEmail gives an account back the address that it had before a change, ends
// everything that is signed in and every personal token, and sets a new
// password in the same step:
// whoever changed the address knows the old one. The password is also what a
// scanner of mail does not have that opens the link and presses its button.
func (s *Service) UndoEmail(ctx context.Context, token, password string, by tokens.Client) error {
	link, c, u, err := s.undoOf(ctx, token)
	if err != nil {
		return err
	}
	u.Email, u.EmailKey = c.OldEmail, c.OldEmailKey // the notice goes there, too
	err = s.setPassword(ctx, newPassword{
		user: u, password: password, why: "email_undone", stranger: true, browser: by,
		notice: mail.KindEmailRestored, event: ownEvent(audit.EmailUndone, u.ID, by),
		first: func(tx *gorm.DB) error {
			if err := s.consume(tx, link); err != nil {
				return err
			}
			return s.restoreEmail(tx, c)
		},
	})
	if database.IsDuplicate(err) {
		return errEmailTaken
	}
	return err
}

// restoreEmail also ends the links of every later change: the ones that a thief
// made went to the thief's own mailboxes.
func (s *Service) restoreEmail(tx *gorm.DB, c *models.EmailChange) error {
	now := s.now()
	res := tx.Exec(`UPDATE email_changes SET undone_at = ? WHERE user_id = ? AND undone_at IS NULL AND created_at >= ?`,
		now, c.UserID, c.CreatedAt)
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected == 0 {
		return tokens.ErrLink
	}
	res = tx.Exec(`UPDATE users SET email = ?, email_key = ?, email_verified_at = ?, updated_at = ?
 WHERE id = ? AND disabled_at IS NULL`, c.OldEmail, c.OldEmailKey, now, now, c.UserID)
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected == 0 {
		return apperr.New(apperr.Conflict, "changed_meanwhile")
	}
	if err := s.endResets(tx, c.UserID); err != nil { // the thief's mailbox has them
		return err
	}
	return claimed(tx, &models.User{ID: c.UserID, EmailKey: c.OldEmailKey}, now)
}
