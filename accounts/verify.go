package accounts

import (
	"context"
	"errors"

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

// VerifyPeek is what the page behind a link may show before its button.
type VerifyPeek struct {
	Email    string
	Username string
}

// VerifyInput is a proof of an address: an attempt with its code, or the token
// of a link with the attempt (the same browser) or the sign-up password.
// Username replaces the one that was chosen when that is taken by now.
type VerifyInput struct {
	Attempt, Code   string
	Token, Password string
	Username        string
	Client          tokens.Client
}

// signup is what a verification link stands for: a pending sign-up, or an
// account whose address was never confirmed.
type signup struct {
	link tokens.Found
	user *models.User // without a row in users while pending
	// pending tells the two apart.
	pending bool
}

// PeekVerify reads the link of a mail and consumes nothing, because scanners
// of mail follow links.
func (s *Service) PeekVerify(ctx context.Context, token string) (VerifyPeek, error) {
	up, err := s.signupOf(ctx, func() (tokens.Found, error) {
		return s.Tokens.Links.Peek(ctx, tokens.VerifyEmail, token)
	})
	if err != nil {
		return VerifyPeek{}, err
	}
	return VerifyPeek{up.user.Email, usernameOf(up.user)}, nil
}

// OwnsVerify reports whether a link and an attempt belong to the same sign-up,
// which is to say that the link was opened in the browser that signed up.
func (s *Service) OwnsVerify(ctx context.Context, token, attempt string) (bool, error) {
	if token == "" || attempt == "" {
		return false, nil
	}
	byToken, err := s.Tokens.Links.Peek(ctx, tokens.VerifyEmail, token)
	if err != nil {
		return false, err
	}
	byAttempt, err := s.Tokens.Links.ByAttempt(ctx, tokens.VerifyEmail, attempt)
	if errors.Is(err, tokens.ErrLink) {
		return false, nil
	}
	return err == nil && byToken.ID == byAttempt.ID, err
}

// Verify takes the proof of an address and makes the account.
func (s *Service) Verify(ctx context.Context, in VerifyInput) (*models.User, error) {
	f := form{}
	name, key, wrong := optionalUsername(in.Username)
	f.blame("username", wrong)
	if err := f.err(); err != nil {
		return nil, err
	}
	up, err := s.prove(ctx, in)
	if err != nil {
		return nil, s.recordWrong(ctx, in, up, err)
	}
	if !up.pending {
		return s.confirm(ctx, up, in.Client)
	}
	if name != nil {
		up.user.Username, up.user.UsernameKey = name, key
	}
	return s.activate(ctx, up, in.Client)
}

// recordWrong leaves a trace of a wrong code or sign-up password.
func (s *Service) recordWrong(ctx context.Context, in VerifyInput, up signup, why error) error {
	if apperr.From(why).Fields["password"].Reason != "wrong" {
		return s.recordGuess(ctx, guess{tokens.VerifyEmail, audit.SignupVerified, in.Attempt, in.Client}, why)
	}
	e := event(audit.SignupVerified, up.link.Subject, in.Client)
	e.Outcome, e.Reason = audit.Failure, "password_wrong"
	ctx, cancel := database.Afterwards(ctx)
	defer cancel()
	if err := s.Audit.Record(ctx, e); err != nil {
		return err
	}
	return why
}

// prove finds the sign-up that the caller may confirm.
func (s *Service) prove(ctx context.Context, in VerifyInput) (signup, error) {
	if in.Token == "" {
		if in.Attempt == "" || in.Code == "" {
			return signup{}, apperr.InvalidField("code", "required")
		}
		return s.signupOf(ctx, func() (tokens.Found, error) {
			return s.Tokens.Links.CheckCode(ctx, tokens.VerifyEmail, in.Attempt, in.Code)
		})
	}
	up, err := s.signupOf(ctx, func() (tokens.Found, error) {
		return s.Tokens.Links.Peek(ctx, tokens.VerifyEmail, in.Token)
	})
	if err != nil {
		return signup{}, err
	}
	same, err := s.OwnsVerify(ctx, in.Token, in.Attempt)
	if err != nil || same {
		return up, err
	}
	return up, s.provePassword(ctx, up, in.Password)
}

// provePassword asks for the sign-up password when a link is opened elsewhere:
// without it, somebody who signs a victim up with a password of their own would
// get a working account as soon as the victim clicks (security rule 14).
func (s *Service) provePassword(ctx context.Context, up signup, password string) error {
	if password == "" {
		return apperr.InvalidField("password", "required")
	}
	// Who guesses has the link and so the mailbox, and could only activate a
	// stranger's sign-up for themselves: the limit is for the hashes.
	rule := s.Limits.Rule(ratelimit.SignupPassword)
	if err := s.Tokens.Links.TakeSecret(ctx, up.link.ID, rule); err != nil {
		return err
	}
	res, err := s.Passwords.Verify(ctx, password, up.user.PasswordHash)
	switch {
	case err != nil:
		_ = s.Tokens.Links.ReturnSecret(ctx, up.link.ID, rule) // else one is counted too many, the safe side
		return err
	case !res.OK:
		return apperr.InvalidField("password", "wrong")
	}
	return s.Tokens.Links.ReturnSecret(ctx, up.link.ID, rule)
}

// signupOf reads what a link found by find stands for.
func (s *Service) signupOf(ctx context.Context, find func() (tokens.Found, error)) (signup, error) {
	link, err := find()
	if err != nil {
		return signup{}, err
	}
	var rows []models.PendingSignup
	err = s.DB.Read(ctx).Where("id = ?", link.Subject).Limit(1).Find(&rows).Error
	if err != nil {
		return signup{}, database.Unavailable(err)
	}
	if len(rows) == 1 {
		return signup{link, fromPending(&rows[0]), true}, nil
	}
	u, err := s.one(ctx, "id = ?", link.Subject)
	if err == nil && u == nil {
		err = tokens.ErrLink
	}
	return signup{link, u, false}, err
}

func fromPending(p *models.PendingSignup) *models.User {
	return &models.User{
		ID: p.ID, Email: p.Email, EmailKey: p.EmailKey, Username: p.Username, UsernameKey: p.UsernameKey,
		Name: p.Name, Locale: p.Locale, PasswordHash: p.PasswordHash,
	}
}

// activate uses the link up and claims the names, in one transaction. The row
// count of the link lets one of many clicks win, the unique keys one of many
// sign-ups with the same name. When a name is taken everything is undone, the
// link included, so that another username can be chosen.
func (s *Service) activate(ctx context.Context, up signup, by tokens.Client) (*models.User, error) {
	u, now := up.user, s.now()
	u.EmailVerifiedAt, u.PasswordChangedAt, u.CreatedAt, u.UpdatedAt = now, now, now, now
	err := s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := s.consume(tx, up.link); err != nil {
			return err
		}
		if err := insert(tx, u); err != nil {
			return err
		}
		if err := tx.Exec(`DELETE FROM pending_signups WHERE id = ?`, u.ID).Error; err != nil {
			return err
		}
		return s.Audit.Append(tx, ownEvent(audit.SignupVerified, u.ID, by))
	})
	if err != nil {
		return nil, s.taken(ctx, err, u)
	}
	return u, nil
}

// confirm marks the address of an existing account as proved.
func (s *Service) confirm(ctx context.Context, up signup, by tokens.Client) (*models.User, error) {
	u, now := up.user, s.now()
	err := s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := s.consume(tx, up.link); err != nil {
			return err
		}
		res := tx.Exec(`UPDATE users SET email_verified_at = ?, updated_at = ?
 WHERE id = ? AND email_key = ? AND email_verified_at IS NULL`, now, now, u.ID, u.EmailKey)
		if res.Error != nil || res.RowsAffected == 0 { // 0: another link did it already
			return res.Error
		}
		return s.Audit.Append(tx, ownEvent(audit.SignupVerified, u.ID, by))
	})
	u.EmailVerifiedAt = now
	return u, err
}

func (s *Service) consume(tx *gorm.DB, link tokens.Found) error {
	ok, err := s.Tokens.Links.Consume(tx, link.ID)
	if err == nil && !ok {
		return tokens.ErrLink
	}
	return err
}

// Resend mails a new link and a new code for an attempt; the ones before end.
// At the cap of mails the answer is the same and the old ones stay good.
func (s *Service) Resend(ctx context.Context, attempt string, by tokens.Client) (err error) {
	up, err := s.signupOf(ctx, func() (tokens.Found, error) {
		return s.Tokens.Links.ByAttempt(ctx, tokens.VerifyEmail, attempt)
	})
	if err != nil {
		return err
	}
	owner, err := s.rival(ctx, up)
	if err != nil {
		return err
	}
	letter, err := s.signupLetter(ctx, up.user, owner, by)
	if err != nil || !letter.leaves {
		return err
	}
	letter.strict = true
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		link, err := s.Tokens.Links.Renew(tx, attempt, letter.link(up.user.ID))
		if err != nil {
			return err
		}
		if err := letter.enqueue(tx, link); err != nil {
			return err
		}
		return s.Audit.Append(tx, event(audit.SignupResent, up.user.ID, by))
	})
	if errors.Is(err, mail.ErrCap) {
		return nil // as at the cap: the link that was sent stays good
	}
	return err
}

// rival is the account that has the address of a pending sign-up already.
func (s *Service) rival(ctx context.Context, up signup) (*models.User, error) {
	if !up.pending {
		return nil, nil
	}
	return s.one(ctx, "email_key = ?", up.user.EmailKey)
}

// SendVerification mails the way to confirm the address of an account that has
// none confirmed yet, after its owner gave the right password.
func (s *Service) SendVerification(ctx context.Context, u *models.User, by tokens.Client) (attempt secrets.Raw, err error) {
	letter, err := s.ownersLetter(ctx, toVerify, mail.VerifyEmail, u, by)
	if err != nil {
		return secrets.Raw{}, err
	}
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		link, err := s.Tokens.Links.Create(tx, letter.link(u.ID))
		if err != nil {
			return err
		}
		attempt = link.Attempt
		if err := letter.enqueue(tx, link); err != nil {
			return err
		}
		return s.Audit.Append(tx, event(audit.SignupResent, u.ID, by))
	})
	return attempt, err
}
