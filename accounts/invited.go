package accounts

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/tokens"
)

// Accept is an invitation that is taken: the token of the mailed link, and what
// its reader chose. The password is also what a scanner of mail does not have.
type Accept struct {
	Token          string
	Password       string
	Username, Name string // optional
	Client         tokens.Client
}

// PeekInvitation reads the link of a mail and consumes nothing, because mail
// scanners follow links.
func (s *Service) PeekInvitation(ctx context.Context, token string) (*models.Invitation, error) {
	_, inv, err := s.invitationOf(ctx, token)
	return inv, err
}

func (s *Service) invitationOf(ctx context.Context, token string) (tokens.Found, *models.Invitation, error) {
	link, err := s.Tokens.Links.Peek(ctx, tokens.Invitation, token)
	if err != nil {
		return link, nil, err
	}
	var found []models.Invitation
	err = s.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		return tx.Where("id = ?", link.Subject).Limit(1).Find(&found).Error
	})
	switch {
	case err != nil:
		return link, nil, database.Unavailable(err)
	case len(found) == 0 || !found[0].AcceptedAt.IsZero() || !found[0].WithdrawnAt.IsZero():
		return link, nil, tokens.ErrLink
	}
	return link, &found[0], nil
}

// AcceptInvitation makes the account of an invitation. Its address counts as
// proved: the link was mailed there. It works whatever SIGNUP says.
func (s *Service) AcceptInvitation(ctx context.Context, in Accept) (*models.User, error) {
	link, inv, err := s.invitationOf(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	u, err := s.readAccept(inv, in)
	if err != nil {
		return nil, err
	}
	// Hashing takes tens of milliseconds, so it is never done in a transaction.
	if u.PasswordHash, err = s.Passwords.Hash(ctx, in.Password); err != nil {
		return nil, err
	}
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := s.consume(tx, link); err != nil {
			return err
		}
		return s.admitInvited(tx, inv, u, in.Client)
	})
	if err != nil {
		return nil, s.taken(ctx, err, u)
	}
	return u, nil
}

func (s *Service) readAccept(inv *models.Invitation, in Accept) (*models.User, error) {
	f := form{}
	u := s.read(typed{inv.Email, in.Username, in.Name, in.Password, in.Client.Locale}, f)
	f.blame("password", s.checkPassword(in.Password, u))
	u.ID, u.Roles = inv.ID, inv.Roles
	u.EmailVerifiedAt, u.PasswordChangedAt = u.CreatedAt, u.CreatedAt
	return u, f.err()
}

// admitInvited writes the account in the transaction that used the link up. Who
// invited must still be allowed to give these roles: an administrator who was
// thrown out leaves no door open behind them.
func (s *Service) admitInvited(tx *gorm.DB, inv *models.Invitation, u *models.User, by tokens.Client) error {
	res := tx.Exec(`UPDATE invitations SET accepted_at = ? WHERE id = ? AND accepted_at IS NULL AND withdrawn_at IS NULL`,
		u.CreatedAt, inv.ID)
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected == 0 {
		return tokens.ErrLink
	}
	switch err := mayInvite(tx, inv); {
	case ErrForbidden.Is(err), ErrAboveYours.Is(err):
		return tokens.ErrLink
	case err != nil:
		return err
	}
	if err := insert(tx, u); err != nil {
		return err
	}
	if err := s.withdrawOthers(tx, inv); err != nil {
		return err
	}
	if err := s.noteOwner(tx, u.Roles); err != nil {
		return err
	}
	return s.Audit.Append(tx, invitationEvent(audit.InvitationAccepted, inv, u.ID, by))
}
