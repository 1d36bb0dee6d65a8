package accounts

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

var toInvitation = errand{tokens.Invitation, "/invitation"}

// errHasAccount tells an administrator, who may see all accounts anyway, that
// there is nothing to invite to. The mailbox gets no mail.
var errHasAccount = apperr.New(apperr.Conflict, "has_account").WithField("email", apperr.Field{Reason: "has_account"})

// Invite is an offer of an account.
type Invite struct {
	Email string
	Roles []string
	// Locale is the language of the mail; "" is that of who invites.
	Locale string
}

// Invite mails an invitation on the word of an administrator with a fresh proof
// (security rule 12). An open one for the same address ends, so that a mail
// that went astray can be replaced.
func (s *Service) Invite(ctx context.Context, proof tokens.Proof, in Invite, by tokens.Client) (*models.Invitation, error) {
	if err := s.StepUp(ctx, proof); err != nil {
		return nil, err
	}
	if !s.Mail.Configured() {
		return nil, apperr.New(apperr.Unavailable, "mail_not_configured")
	}
	// One administrator can have us write to so many strangers only.
	if err := s.Limits.Take(ctx, ratelimit.Invite, proof.User.String()); err != nil {
		return nil, err
	}
	inv, _, err := s.invite(ctx, proof.User, in, by)
	return inv, err
}

// InviteByOperator is Invite for who runs the server. The answer has the link,
// for a server that cannot send mail.
func (s *Service) InviteByOperator(ctx context.Context, in Invite, by tokens.Client) (*models.Invitation, secrets.Raw, error) {
	return s.invite(ctx, models.ID{}, in, by)
}

func (s *Service) invite(ctx context.Context, inviter models.ID, in Invite, by tokens.Client) (*models.Invitation, secrets.Raw, error) {
	inv, err := s.readInvite(inviter, in, by)
	if err != nil {
		return nil, secrets.Raw{}, err
	}
	owner, err := s.one(ctx, "email_key = ?", inv.EmailKey)
	if err != nil {
		return nil, secrets.Raw{}, err
	}
	if owner != nil {
		return nil, secrets.Raw{}, errHasAccount
	}
	letter, err := s.newLetter(ctx, toInvitation, mail.Invitation, &models.User{Email: inv.Email, EmailKey: inv.EmailKey, Locale: inv.Locale}, by)
	if err != nil {
		return nil, secrets.Raw{}, err
	}
	var url secrets.Raw
	err = s.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		url, err = s.writeInvite(tx, inv, letter, by)
		return err
	})
	if errors.Is(err, mail.ErrCap) {
		err = apperr.Throttle("too_many_attempts", s.Config.MailPerAddress.Per)
	}
	return inv, url, err
}

func (s *Service) readInvite(inviter models.ID, in Invite, by tokens.Client) (*models.Invitation, error) {
	f, now := form{}, s.now()
	email, key, wrong := CanonicalEmail(in.Email)
	f.blame("email", wrong)
	roles, wrong := canonicalRoles(in.Roles)
	f.blame("roles", wrong)
	locale := cleanLocale(in.Locale)
	if locale == "" {
		locale = cleanLocale(by.Locale)
	}
	return &models.Invitation{
		ID: models.NewID(), Email: email, EmailKey: key, Roles: roles, Locale: locale,
		InvitedBy: inviter, CreatedAt: now, ExpiresAt: models.At(now.Add(InvitationTTL)),
	}, f.err()
}

func (s *Service) writeInvite(tx *gorm.DB, inv *models.Invitation, letter *letter, by tokens.Client) (url secrets.Raw, err error) {
	if err := mayInvite(tx, inv); err != nil {
		return url, err
	}
	if err := s.withdrawOthers(tx, inv); err != nil {
		return url, err
	}
	if err := tx.Create(inv).Error; err != nil {
		return url, err
	}
	link, err := s.Tokens.Links.Create(tx, tokens.NewLink{Kind: tokens.Invitation, Subject: inv.ID, TTL: InvitationTTL})
	if err != nil {
		return url, err
	}
	url = s.url(toInvitation.path, link.Token)
	if s.Mail.Configured() {
		if !letter.leaves {
			return url, mail.ErrCap // an invitation that nobody gets is no answer
		}
		m := letter.message
		m.Link, m.Data = url.Reveal(), map[string]string{"link_ttl": InvitationTTL.String()}
		if err := s.Mail.Enqueue(tx, m); err != nil {
			return url, err
		}
	}
	return url, s.Audit.Append(tx, invitationEvent(audit.InvitationSent, inv, inv.InvitedBy, by))
}

// mayInvite asks, in the transaction, whether the one who invites may do so,
// and may give these roles, at this moment. The command line may.
func mayInvite(tx *gorm.DB, inv *models.Invitation) error {
	if inv.InvitedBy.IsZero() {
		return nil
	}
	roles, err := rolesNow(tx, inv.InvitedBy)
	switch {
	case err != nil:
		return err
	case !Permits(roles, PermitInvite):
		return ErrForbidden
	case !mayGive(roles, inv.Roles):
		return ErrAboveYours
	}
	return nil
}

// invitationEvent has the id of the account to be as its subject, so that the
// record tells one story, and names no address.
func invitationEvent(action audit.Action, inv *models.Invitation, actor models.ID, by tokens.Client) audit.Event {
	e := event(action, inv.ID, by)
	e.Actor, e.Detail = actor, map[string]string{"roles": string(inv.Roles)}
	return e
}

// withdrawOthers ends every other open invitation of the address.
func (s *Service) withdrawOthers(tx *gorm.DB, inv *models.Invitation) error {
	var ids []models.ID
	err := tx.Raw(`SELECT id FROM invitations WHERE email_key = ? AND id <> ? AND accepted_at IS NULL AND withdrawn_at IS NULL`,
		inv.EmailKey, inv.ID).Scan(&ids).Error
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := s.withdraw(tx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) withdraw(tx *gorm.DB, id models.ID) (bool, error) {
	now := s.now()
	res := tx.Exec(`UPDATE invitations SET withdrawn_at = ?
 WHERE id = ? AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > ?`, now, id, now)
	if res.Error != nil || res.RowsAffected == 0 {
		return false, res.Error
	}
	_, err := s.Tokens.Links.End(tx, tokens.Invitation, id)
	return true, err
}

// WithdrawInvitation ends an open invitation and its link. actor is zero on the
// command line.
func (s *Service) WithdrawInvitation(ctx context.Context, actor, id models.ID, by tokens.Client) error {
	return s.DB.Write(ctx, func(tx *gorm.DB) error {
		if !actor.IsZero() {
			if roles, err := rolesNow(tx, actor); err != nil || !Permits(roles, PermitInvite) {
				return errOr(err, ErrForbidden)
			}
		}
		ok, err := s.withdraw(tx, id)
		if err != nil || !ok {
			return errOr(err, ErrNotFound)
		}
		e := event(audit.InvitationWithdrawn, id, by)
		e.Actor = actor
		return s.Audit.Append(tx, e)
	})
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// mostInvitations bounds the list.
const mostInvitations = 500

// Invitations lists those of the last days, the newest first: open, accepted,
// withdrawn and just expired ones.
func (s *Service) Invitations(ctx context.Context) ([]models.Invitation, error) {
	list := []models.Invitation{}
	err := s.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		return tx.Order("created_at DESC, id DESC").Limit(mostInvitations).Find(&list).Error
	})
	return list, database.Unavailable(err)
}

// The states of an invitation.
const (
	InvitationOpen      = "open"
	InvitationAccepted  = "accepted"
	InvitationWithdrawn = "withdrawn"
	InvitationExpired   = "expired"
)

// InvitationState says what became of an invitation.
func InvitationState(inv *models.Invitation, now time.Time) string {
	switch {
	case !inv.AcceptedAt.IsZero():
		return InvitationAccepted
	case !inv.WithdrawnAt.IsZero():
		return InvitationWithdrawn
	case !now.Before(inv.ExpiresAt.Time):
		return InvitationExpired
	}
	return InvitationOpen
}
