package accounts

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// eraseBatch bounds what one run of the job erases; the next run goes on.
const eraseBatch = 200

// EraseDue erases the accounts that were closed and not taken back in time. It
// is a job of server; an account that cannot be erased holds up no other.
func (s *Service) EraseDue(ctx context.Context) error {
	var ids []models.ID
	err := s.DB.Read(ctx).Model(&models.User{}).Where("erase_at <= ?", s.now()).
		Order("erase_at").Limit(eraseBatch).Pluck("id", &ids).Error
	if err != nil {
		return database.Unavailable(err)
	}
	var failed []error
	for _, id := range ids {
		if err := s.erase(ctx, id, true, tokens.Client{}); err != nil && !errors.Is(err, ErrNotFound) {
			s.Log.ErrorContext(ctx, "an account was not erased", slog.String("id", id.String()), slog.Any("error", err))
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// EraseUser erases an account at once, on an operator's word.
func (s *Service) EraseUser(ctx context.Context, id models.ID, by tokens.Client) error {
	return s.erase(ctx, id, false, by)
}

// erase removes a person: the row with names, addresses and password hash,
// factors, sessions, tokens, links, mails, devices. What stays is the record of
// what happened, with the id and without anything personal, and for a while the
// username, so that nobody can pass as that person at once.
//
// Everything happens in one transaction that begins with a write of the row, so
// that a sign-in of the same moment either takes the closing back before, or
// finds nobody.
func (s *Service) erase(ctx context.Context, id models.ID, due bool, by tokens.Client) error {
	return s.Tokens.Log.Write(ctx, func(tx *gorm.DB) error {
		now, when, args := s.now(), "", []any{s.now(), id}
		if due {
			when, args = ` AND erase_at <= ?`, append(args, now)
		}
		res := tx.Exec(`UPDATE users SET token_epoch = token_epoch + 1, session_epoch = session_epoch + 1, updated_at = ?
 WHERE id = ?`+when, args...)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return ErrNotFound
		}
		u, err := leaver(tx, id)
		if err != nil {
			return err
		}
		return s.eraseRows(tx, u, by)
	})
}

func (s *Service) eraseRows(tx *gorm.DB, u *models.User, by tokens.Client) error {
	for _, step := range []func() error{
		func() error { return s.keepAnOwner(tx, u.ID, u.Roles) },
		// The entry in the revocation log ends access tokens that are still out.
		func() error { return s.endAll(tx, u.ID, "account_erased", models.ID{}) },
		func() error { return s.eraseAddresses(tx, u) },
		func() error { return s.Tokens.EraseUser(tx, u.ID) },
		func() error {
			if s.Factors.Erase == nil {
				return nil
			}
			return s.Factors.Erase(tx, u.ID)
		},
		func() error { return s.eraseNames(tx, u) },
		func() error { return s.Audit.Erase(tx, u.ID, event(audit.PersonErased, u.ID, by)) },
		func() error { return tx.Exec(`DELETE FROM users WHERE id = ?`, u.ID).Error },
		// The last mail is queued after those before it went.
		func() error { return s.tell(tx, u, mail.KindAccountErased) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// eraseAddresses removes the addresses of an account wherever they stand, with
// the mails that went to them and the links of changes that were under way.
func (s *Service) eraseAddresses(tx *gorm.DB, u *models.User) error {
	var changes []models.EmailChange
	if err := tx.Where("user_id = ?", u.ID).Find(&changes).Error; err != nil {
		return err
	}
	boxes := []string{Mailbox(u.Email, u.EmailKey)}
	for _, c := range changes {
		if !c.ChangedAt.IsZero() { // else the address may be a stranger's
			boxes = append(boxes, Mailbox(c.Email, c.EmailKey), Mailbox(c.OldEmail, c.OldEmailKey))
		}
		if err := s.Tokens.EraseLinks(tx, c.ID); err != nil {
			return err
		}
	}
	if err := s.Mail.Erase(tx, boxes...); err != nil {
		return err
	}
	if err := tx.Exec(`DELETE FROM email_changes WHERE user_id = ?`, u.ID).Error; err != nil {
		return err
	}
	for table := range strings.FieldsSeq("pending_signups invitations") {
		if err := tx.Exec(`DELETE FROM `+table+` WHERE email_key = ?`, u.EmailKey).Error; err != nil {
			return err
		}
	}
	return nil
}

// eraseNames removes what else is known of a person. The username is kept from
// others for as long as after a change of it; addresses are not, because a
// reservation would have to hold them.
func (s *Service) eraseNames(tx *gorm.DB, u *models.User) error {
	for table := range strings.FieldsSeq("known_devices external_ids") {
		if err := tx.Exec(`DELETE FROM `+table+` WHERE user_id = ?`, u.ID).Error; err != nil {
			return err
		}
	}
	err := tx.Exec(`DELETE FROM reserved_names WHERE user_id = ? AND kind = ?`, u.ID, keptEmail).Error
	if err != nil || len(u.UsernameKey) == 0 {
		return err
	}
	return keep(tx, keptUsername, u.UsernameKey, u.ID, models.At(s.now().Add(usernameKept)))
}
