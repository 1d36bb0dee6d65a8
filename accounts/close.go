package accounts

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// CloseAccount closes the account of a fresh proof (security rule 12): every
// session and token ends now, and in ClosingTTL the account is erased. Until
// then a sign-in takes it back. The answer is when it will be erased.
func (s *Service) CloseAccount(ctx context.Context, proof tokens.Proof, by tokens.Client) (time.Time, error) {
	if err := s.StepUp(ctx, proof); err != nil {
		return time.Time{}, err
	}
	return s.closeAccount(ctx, proof.User, ownEvent(audit.AccountClosing, proof.User, by))
}

// CloseUser closes an account on an operator's word, which leaves its owner the
// same time to keep it.
func (s *Service) CloseUser(ctx context.Context, id models.ID, by tokens.Client) (time.Time, error) {
	return s.closeAccount(ctx, id, event(audit.AccountClosing, id, by))
}

func (s *Service) closeAccount(ctx context.Context, id models.ID, e audit.Event) (eraseAt time.Time, err error) {
	err = s.Tokens.Log.Write(ctx, func(tx *gorm.DB) error {
		now := s.now()
		at := models.At(now.Add(ClosingTTL))
		res := tx.Exec(`UPDATE users SET erase_at = ?, updated_at = ?, token_epoch = token_epoch + 1, session_epoch = session_epoch + 1
 WHERE id = ? AND erase_at IS NULL`, at, now, id)
		if res.Error != nil {
			return res.Error
		}
		u, err := leaver(tx, id)
		if err != nil {
			return err
		}
		eraseAt = u.EraseAt.Time
		if res.RowsAffected == 0 {
			return nil // it is being closed already
		}
		return s.shut(tx, u, e)
	})
	return eraseAt, err
}

// leaver reads, in the transaction that has just written the row, what closing
// and erasing need of it.
func leaver(tx *gorm.DB, id models.ID) (*models.User, error) {
	var found []models.User
	err := tx.Select("id", "username_key", "email", "email_key", "locale", "roles", "erase_at").
		Where("id = ?", id).Limit(1).Find(&found).Error
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return &found[0], nil
}

// shut ends what the account has and tells its owner by mail.
func (s *Service) shut(tx *gorm.DB, u *models.User, e audit.Event) error {
	if err := s.keepAnOwner(tx, u.ID, u.Roles); err != nil {
		return err
	}
	if err := s.endAll(tx, u.ID, "account_closing", models.ID{}); err != nil {
		return err
	}
	if err := s.Tokens.Personal.EndUser(tx, u.ID, "account_closing"); err != nil {
		return err
	}
	if err := s.tell(tx, u, mail.KindAccountClosing); err != nil {
		return err
	}
	return s.Audit.Append(tx, e)
}

// tell queues a notice about the end of an account. The stored address gets it,
// without a cap, as every notice of a change.
func (s *Service) tell(tx *gorm.DB, u *models.User, kind string) error {
	if !s.Mail.Configured() {
		return nil
	}
	m := mail.Message{
		To: Mailbox(u.Email, u.EmailKey), Locale: u.Locale, Purpose: mail.Notice,
		Data: map[string]string{"kind": kind, "at": s.Clock().UTC().Format(time.RFC3339)},
	}
	if kind == mail.KindAccountClosing {
		m.Link, m.Data["erase_in"] = s.Config.BaseURL+"/login", ClosingTTL.String()
	}
	return s.Mail.Enqueue(tx, m)
}

// KeepUser takes back on an operator's word that an account is being closed.
// What was signed in stays ended.
func (s *Service) KeepUser(ctx context.Context, id models.ID, by tokens.Client) error {
	u, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *gorm.DB) error { return s.keepOpen(tx, u, event(audit.AccountKept, id, by)) })
}

// keepOpen takes a closing back, once: of two sign-ins at once one tells of it,
// and an account that is erased at this moment has no row any more.
func (s *Service) keepOpen(tx *gorm.DB, u *models.User, e audit.Event) error {
	res := tx.Exec(`UPDATE users SET erase_at = NULL, updated_at = ? WHERE id = ? AND erase_at IS NOT NULL`, s.now(), u.ID)
	if res.Error != nil || res.RowsAffected == 0 {
		return res.Error
	}
	if err := s.tell(tx, u, mail.KindAccountKept); err != nil {
		return err
	}
	return s.Audit.Append(tx, e)
}
