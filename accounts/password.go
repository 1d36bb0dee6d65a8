package accounts

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/passwords"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// ChangePassword sets a new password on a fresh proof of its own user (security
// rule 12). Every other session and every access token ends with it; keep is
// the session that stays, the zero id keeps none.
func (s *Service) ChangePassword(ctx context.Context, proof tokens.Proof, password string, keep models.ID, by tokens.Client) error {
	if err := s.StepUp(ctx, proof); err != nil {
		return err
	}
	if !keep.IsZero() && keep != proof.Session {
		return ErrStepUp // the proof belongs to another session
	}
	u, err := s.withDevices(ctx, proof.User)
	if err != nil {
		return err
	}
	return s.setPassword(ctx, newPassword{
		user: u, password: password, keep: keep, why: "password_changed", browser: by,
		notice: mail.KindPasswordChanged, event: ownEvent(audit.PasswordChanged, u.ID, by),
	})
}

// newPassword is one change of a password: to what, why, and what it needs to
// have used up in its transaction.
type newPassword struct {
	user     *models.User
	password string
	keep     models.ID
	why      string
	notice   string
	event    audit.Event
	browser  tokens.Client           // in which it was chosen
	first    func(tx *gorm.DB) error // nil is nothing
	// stranger says that somebody else may have had the account until now: the
	// personal tokens end too, which outlive a new password of its owner.
	stranger bool
}

// setPassword checks and hashes outside the transaction, and then changes the
// password, raises both epochs, ends what is signed in, ends the links that
// could change the password again, tells the owner and writes the record in
// one transaction (NIST SP 800-63B-4, section 4.6; ASVS 5.0, 7.4.3).
func (s *Service) setPassword(ctx context.Context, n newPassword) error {
	f := form{}
	f.blame("new_password", s.checkPassword(n.password, n.user))
	if err := f.err(); err != nil {
		return err
	}
	// Who gets here is signed in or has shown a link: no stranger.
	hash, err := s.Passwords.Hash(passwords.WithPriority(ctx), n.password)
	if err != nil {
		return renamed(err, "password", "new_password")
	}
	return s.Tokens.Log.Write(ctx, func(tx *gorm.DB) error {
		if n.first != nil {
			if err := n.first(tx); err != nil {
				return err
			}
		}
		return s.writePassword(tx, n, hash)
	})
}

func (s *Service) writePassword(tx *gorm.DB, n newPassword, hash string) error {
	now := s.now()
	// The old hash is a condition, so that of two changes at once one wins and
	// the other is told to begin again.
	res := tx.Exec(`UPDATE users SET password_hash = ?, password_changed_at = ?, updated_at = ?,
 token_epoch = token_epoch + 1, session_epoch = session_epoch + 1
 WHERE id = ? AND disabled_at IS NULL AND password_hash = ?`, hash, now, now, n.user.ID, n.user.PasswordHash)
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected == 0 {
		return apperr.New(apperr.Conflict, "changed_meanwhile")
	}
	if err := s.endAll(tx, n.user.ID, n.why, n.keep); err != nil {
		return err
	}
	if err := s.keepKnown(tx, n.user, n.browser); err != nil {
		return err
	}
	if n.stranger {
		if err := s.Tokens.Personal.EndUser(tx, n.user.ID, n.why); err != nil {
			return err
		}
	}
	if _, err := s.Tokens.Links.End(tx, tokens.ResetPassword, n.user.ID); err != nil {
		return err
	}
	if err := s.notify(tx, n.user, n.notice, now.Time); err != nil {
		return err
	}
	return s.Audit.Append(tx, n.event)
}

// endAll ends the sessions, families and access tokens of a user whose epochs
// were raised in tx.
func (s *Service) endAll(tx *gorm.DB, user models.ID, why string, keep models.ID) error {
	epoch, err := tokenEpoch(tx, user)
	if err != nil {
		return err
	}
	return s.Tokens.Sessions.EndUser(tx, user, epoch, why, keep)
}

// tokenEpoch reads what an UPDATE in the same transaction has made of it: there
// is no RETURNING on MySQL.
func tokenEpoch(tx *gorm.DB, user models.ID) (epoch int64, err error) {
	err = tx.Raw(`SELECT token_epoch FROM users WHERE id = ?`, user).Scan(&epoch).Error
	return epoch, err
}

// renamed moves the blame from one field to another, for a form that calls it
// otherwise.
func renamed(err error, from, to string) error {
	if e, ok := errors.AsType[*apperr.Error](err); ok {
		if f, ok := e.Fields[from]; ok {
			return apperr.New(e.Kind, e.Reason).WithField(to, f)
		}
	}
	return err
}

// Rehash replaces a password hash by one of the current cost, unless the
// password was changed meanwhile: false.
func (s *Service) Rehash(ctx context.Context, id models.ID, oldHash, newHash string) (bool, error) {
	n, err := s.DB.Exec(ctx, `UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?`, newHash, id, oldHash)
	return n == 1, err
}

// ResetLink makes the address of a page where the owner of an account chooses
// a new password. An operator hands it over; the mailed way makes its own.
func (s *Service) ResetLink(ctx context.Context, id models.ID, by tokens.Client) (url secrets.Raw, err error) {
	u, err := s.Get(ctx, id)
	if err != nil {
		return secrets.Raw{}, err
	}
	if !u.DisabledAt.IsZero() {
		return secrets.Raw{}, apperr.New(apperr.Conflict, "account_disabled")
	}
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		link, err := s.Tokens.Links.Create(tx, tokens.NewLink{Kind: tokens.ResetPassword, Subject: u.ID, TTL: operatorLinkTTL})
		if err != nil {
			return err
		}
		url = s.url("/reset", link.Token)
		return s.Audit.Append(tx, event(audit.ResetLink, u.ID, by))
	})
	return url, err
}
