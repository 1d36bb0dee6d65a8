package accounts

import (
	"context"

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

var toEmail = errand{tokens.ChangeEmail, "/account/email/verify"}

// ChangeEmail begins a change of address on a fresh proof (security rule 12).
// Nothing changes before the new address is proved; the answer is an attempt to
// type the code of its mail into. Answer and work are the same for an address
// that somebody else has, whose mailbox learns of it alone (security rule 14).
func (s *Service) ChangeEmail(ctx context.Context, proof tokens.Proof, email string, by tokens.Client) (secrets.Raw, error) {
	if err := s.StepUp(ctx, proof); err != nil {
		return secrets.Raw{}, err
	}
	if !s.Mail.Configured() {
		return secrets.Raw{}, apperr.New(apperr.Unavailable, "mail_not_configured")
	}
	u, err := s.Get(ctx, proof.User)
	if err != nil {
		return secrets.Raw{}, err
	}
	change, err := s.readEmailChange(u, email)
	if err != nil {
		return secrets.Raw{}, err
	}
	// One person can have us write to so many addresses only.
	if err := s.Limits.Take(ctx, ratelimit.Email, u.ID.String()); err != nil {
		return secrets.Raw{}, err
	}
	letter, err := s.emailLetter(ctx, u, change, by)
	if err != nil {
		return secrets.Raw{}, err
	}
	return s.beginEmailChange(ctx, change, letter, by)
}

func (s *Service) readEmailChange(u *models.User, email string) (*models.EmailChange, error) {
	typed, key, wrong := CanonicalEmail(email)
	if wrong == nil && string(key) == string(u.EmailKey) {
		wrong = field("same_address")
	}
	f := form{}
	f.blame("email", wrong)
	now := s.now()
	return &models.EmailChange{
		ID: models.NewID(), UserID: u.ID, Email: typed, EmailKey: key, OldEmail: u.Email, OldEmailKey: u.EmailKey,
		CreatedAt: now, ExpiresAt: models.At(now.Add(LinkTTL)),
	}, f.err()
}

// emailLetter is the mail to the new address, or to the stored one of who has
// it already.
func (s *Service) emailLetter(ctx context.Context, u *models.User, c *models.EmailChange, by tokens.Client) (*letter, error) {
	owner, err := s.one(ctx, "email_key = ?", c.EmailKey)
	if err != nil {
		return nil, err
	}
	if owner != nil {
		return s.newLetter(ctx, toEmail, mail.AlreadyRegistered, owner, by)
	}
	to := &models.User{Email: c.Email, EmailKey: c.EmailKey, Locale: u.Locale}
	return s.newLetter(ctx, toEmail, mail.ChangeEmail, to, by)
}

func (s *Service) beginEmailChange(ctx context.Context, c *models.EmailChange, letter *letter, by tokens.Client) (attempt secrets.Raw, err error) {
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := tx.Create(c).Error; err != nil {
			return err
		}
		link, err := s.Tokens.Links.Create(tx, letter.link(c.ID))
		if err != nil {
			return err
		}
		attempt = link.Attempt
		if err := letter.enqueue(tx, link); err != nil {
			return err
		}
		return s.Audit.Append(tx, ownEvent(audit.EmailRequested, c.UserID, by))
	})
	return attempt, err
}

// EmailProof shows that a new address is one's own: an attempt with its code,
// or the token of the mailed link.
type EmailProof struct {
	Attempt, Code string
	Token         string
	Client        tokens.Client
}

// PeekEmail reads the link of the mail for the person who is signed in, and
// consumes nothing. It answers the new address.
func (s *Service) PeekEmail(ctx context.Context, user models.ID, token string) (string, error) {
	link, err := s.Tokens.Links.Peek(ctx, tokens.ChangeEmail, token)
	if err != nil {
		return "", err
	}
	c, _, err := s.pendingEmail(ctx, user, link)
	if err != nil {
		return "", err
	}
	return c.Email, nil
}

// pendingEmail is the change behind a link. Only the person who began it may go
// on: a click in a stranger's mailbox must not give that address to another
// account. The change of somebody else, one that was done and one from an
// address that the account has no longer all look like a link that has ended.
func (s *Service) pendingEmail(ctx context.Context, user models.ID, link tokens.Found) (*models.EmailChange, *models.User, error) {
	c, u, err := s.emailChange(ctx, link)
	if err != nil {
		return nil, nil, err
	}
	if c.UserID != user || !c.ChangedAt.IsZero() || string(u.EmailKey) != string(c.OldEmailKey) {
		return nil, nil, tokens.ErrLink
	}
	return c, u, nil
}

// emailChange reads a change and its account, which has to be enabled.
func (s *Service) emailChange(ctx context.Context, link tokens.Found) (*models.EmailChange, *models.User, error) {
	var found []models.EmailChange
	err := s.DB.Read(ctx).Where("id = ?", link.Subject).Limit(1).Find(&found).Error
	if err != nil {
		return nil, nil, database.Unavailable(err)
	}
	if len(found) == 0 {
		return nil, nil, tokens.ErrLink
	}
	u, err := s.resettable(ctx, tokens.Found{Subject: found[0].UserID})
	return &found[0], u, err
}

// ConfirmEmail gives an account its new address. The old one is told, with a
// link that takes it back for a week.
func (s *Service) ConfirmEmail(ctx context.Context, user models.ID, in EmailProof) error {
	link, err := s.proveEmail(ctx, in)
	if err != nil {
		return err
	}
	c, u, err := s.pendingEmail(ctx, user, link)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := s.consume(tx, link); err != nil {
			return err
		}
		if err := s.writeEmail(tx, c, u); err != nil {
			return err
		}
		return s.Audit.Append(tx, ownEvent(audit.EmailChanged, u.ID, in.Client))
	})
	if database.IsDuplicate(err) {
		return errEmailTaken // the mailbox is proved, so this is no secret
	}
	return err
}

func (s *Service) proveEmail(ctx context.Context, in EmailProof) (tokens.Found, error) {
	if in.Token != "" {
		return s.Tokens.Links.Peek(ctx, tokens.ChangeEmail, in.Token)
	}
	if in.Code == "" {
		return tokens.Found{}, apperr.InvalidField("code", "required")
	}
	link, err := s.Tokens.Links.CheckCode(ctx, tokens.ChangeEmail, in.Attempt, in.Code)
	if err != nil {
		err = s.recordGuess(ctx, guess{tokens.ChangeEmail, audit.EmailChanged, in.Attempt, in.Client}, err)
	}
	return link, err
}

// writeEmail changes the row under the condition that it still has the old
// address, so that of two changes at once one wins.
func (s *Service) writeEmail(tx *gorm.DB, c *models.EmailChange, u *models.User) error {
	now := s.now()
	res := tx.Exec(`UPDATE users SET email = ?, email_key = ?, email_verified_at = ?, updated_at = ?
 WHERE id = ? AND email_key = ? AND disabled_at IS NULL`, c.Email, c.EmailKey, now, now, u.ID, c.OldEmailKey)
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected == 0 {
		return apperr.New(apperr.Conflict, "changed_meanwhile")
	}
	if err := claimed(tx, &models.User{ID: u.ID, EmailKey: c.EmailKey}, now); err != nil {
		return err
	}
	until := models.At(now.Add(emailKept))
	if err := keep(tx, keptEmail, c.OldEmailKey, u.ID, until); err != nil {
		return err
	}
	err := tx.Exec(`UPDATE email_changes SET changed_at = ?, expires_at = ? WHERE id = ?`, now, until, c.ID).Error
	if err != nil {
		return err
	}
	if err := s.endResets(tx, u.ID); err != nil {
		return err
	}
	return s.tellOldAddress(tx, c, u)
}

// endResets ends what waits in the mailbox of before: a link that sets a
// password, or one that takes factors away, must not outlive the change.
func (s *Service) endResets(tx *gorm.DB, user models.ID) error {
	for _, kind := range []tokens.LinkKind{tokens.ResetPassword, tokens.ResetFactors} {
		if _, err := s.Tokens.Links.End(tx, kind, user); err != nil {
			return err
		}
	}
	return nil
}

// tellOldAddress writes to the address that the account had. An address that
// was never proved is told nothing: it may be a stranger's, whom the link would
// give the account.
func (s *Service) tellOldAddress(tx *gorm.DB, c *models.EmailChange, u *models.User) error {
	if u.EmailVerifiedAt.IsZero() || !s.Mail.Configured() {
		return nil
	}
	link, err := s.Tokens.Links.Create(tx, tokens.NewLink{Kind: tokens.UndoEmail, Subject: c.ID, TTL: emailKept})
	if err != nil {
		return err
	}
	return s.Mail.Enqueue(tx, mail.Message{
		To: Mailbox(c.OldEmail, c.OldEmailKey), Locale: u.Locale, Purpose: mail.Notice, Link: s.url("/undo", link.Token).Reveal(),
		Data: map[string]string{"kind": mail.KindEmailChanged, "link_ttl": emailKept.String()},
	})
}
