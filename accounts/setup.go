package accounts

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/tokens"
)

// ErrSetupDone is the answer once there is an owner.
var ErrSetupDone = apperr.New(apperr.Conflict, "setup_done")

// SetupInput is the form that makes the first owner. The address is taken as
// confirmed: who reads the server's terminal needs no mail to prove more.
type SetupInput struct {
	Token, Email, Username, Password string
}

// SetupNeeded reports whether the installation still waits for its first
// owner. An owner who came by a command or an import counts.
func (s *Service) SetupNeeded(ctx context.Context) (bool, error) {
	needed := false
	err := s.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		var done int64
		err := tx.Raw(`SELECT COUNT(*) FROM deployment WHERE setup_done_at IS NOT NULL`).Scan(&done).Error
		if err != nil || done > 0 {
			return err
		}
		owner, err := hasOwner(tx)
		needed = !owner
		return err
	})
	return needed && err == nil, database.Unavailable(err)
}

// NewSetupLink makes the token of the link that the server prints at its start
// while SetupNeeded.
func (s *Service) NewSetupLink(ctx context.Context) (token secrets.Raw, err error) {
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		link, err := s.Tokens.Links.Create(tx, tokens.NewLink{Kind: tokens.Setup, TTL: setupLinkTTL})
		if err != nil {
			return err
		}
		token = link.Token
		return s.Audit.Append(tx, event(audit.SetupLink, models.ID{}, tokens.Client{}))
	})
	return token, err
}

// PeekSetup reads the link and consumes nothing.
func (s *Service) PeekSetup(ctx context.Context, token string) error {
	if _, err := s.Tokens.Links.Peek(ctx, tokens.Setup, token); err != nil {
		return err
	}
	needed, err := s.SetupNeeded(ctx)
	if err == nil && !needed {
		return ErrSetupDone
	}
	return err
}

// Setup makes the first owner. It works once: of many clients at the same
// moment, with one link or with several, the one UPDATE of the installation's
// row lets one win.
func (s *Service) Setup(ctx context.Context, in SetupInput, by tokens.Client) (*models.User, error) {
	if err := s.PeekSetup(ctx, in.Token); err != nil {
		return nil, err
	}
	u, err := s.readNewUser(NewUser{
		Email: in.Email, Username: in.Username, Password: in.Password, Locale: by.Locale,
		Roles: []string{RoleOwner}, Verified: true,
	})
	if in.Password == "" {
		err = withField(err, "password", "required")
	}
	if err != nil {
		return nil, err
	}
	if u.PasswordHash, err = s.Passwords.Hash(ctx, in.Password); err != nil {
		return nil, err
	}
	u.PasswordChangedAt = u.CreatedAt
	err = s.DB.Write(ctx, func(tx *gorm.DB) error { return s.writeFirstOwner(tx, u, in.Token, by) })
	if err != nil {
		return nil, s.taken(ctx, err, u)
	}
	return u, nil
}

func (s *Service) writeFirstOwner(tx *gorm.DB, u *models.User, token string, by tokens.Client) error {
	first, err := finishSetup(tx, u.CreatedAt.Time)
	if err != nil {
		return err
	}
	if !first {
		return ErrSetupDone
	}
	if _, err := s.Tokens.Links.ConsumeToken(tx, tokens.Setup, token); err != nil {
		return err
	}
	if err := insert(tx, u); err != nil {
		return err
	}
	return s.Audit.Append(tx, ownEvent(audit.SetupDone, u.ID, by))
}

// finishSetup closes the set-up for good; true for the one who did. The column
// is this room's, the row belongs to tokens.
func finishSetup(tx *gorm.DB, at time.Time) (bool, error) {
	res := tx.Exec(`UPDATE deployment SET setup_done_at = ? WHERE id = 1 AND setup_done_at IS NULL`, models.At(at))
	return res.RowsAffected == 1, res.Error
}

// noteOwner closes the set-up when an owner comes into being elsewhere, so
// that a link on some terminal cannot make another one.
func (s *Service) noteOwner(tx *gorm.DB, roles models.Words) error {
	if !roles.Has(RoleOwner) {
		return nil
	}
	_, err := finishSetup(tx, s.Clock())
	return err
}

// withField adds the blame of one field to what is wrong already.
func withField(err error, name, reason string) error {
	if err == nil {
		return apperr.InvalidField(name, reason)
	}
	return apperr.From(err).WithField(name, apperr.Field{Reason: reason})
}
