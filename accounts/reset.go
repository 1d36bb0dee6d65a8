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

// ResetInput is a new password with what shows that it is the owner's: the
// token of a link, or an attempt with its code.
type ResetInput struct {
	Token         string
	Attempt, Code string
	Password      string
	Client        tokens.Client
}

// PeekReset reads the link and consumes nothing. Whatever is wrong with it,
// the answer is that it has ended.
func (s *Service) PeekReset(ctx context.Context, token string) (*models.User, error) {
	link, err := s.Tokens.Links.Peek(ctx, tokens.ResetPassword, token)
	if err != nil {
		return nil, err
	}
	return s.resettable(ctx, link)
}

// resettable is the account of a link. That nobody has it, or that it is
// disabled, looks like a link that has ended.
func (s *Service) resettable(ctx context.Context, link tokens.Found) (*models.User, error) {
	u, err := s.ForSignIn(ctx, link.Subject)
	if err != nil {
		return nil, err
	}
	if u == nil || !u.DisabledAt.IsZero() {
		return nil, tokens.ErrLink
	}
	return u, nil
}

// ResetPassword sets a new password with a link or a code, which works once.
// Nobody stays signed in, and second factors stay in force: the mailbox proves
// one thing and not two (ASVS 5.0, 6.4.3). A password that is refused leaves
// link and code as they are.
//
// An address that was never proved may have been signed up by a stranger, who
// waits for its owner to come and use the account: what the stranger left to get
// in by later ends with the first reset.
func (s *Service) ResetPassword(ctx context.Context, in ResetInput) error {
	link, u, err := s.proveReset(ctx, in)
	if err != nil {
		return err
	}
	return s.setPassword(ctx, newPassword{
		user: u, password: in.Password, why: "password_reset", stranger: u.EmailVerifiedAt.IsZero(), browser: in.Client,
		notice: mail.KindPasswordReset, event: ownEvent(audit.PasswordReset, u.ID, in.Client),
		first: func(tx *gorm.DB) error { return s.consume(tx, link) },
	})
}

// proveReset finds the account whose password the caller may set.
func (s *Service) proveReset(ctx context.Context, in ResetInput) (link tokens.Found, u *models.User, err error) {
	if in.Token != "" {
		link, err = s.Tokens.Links.Peek(ctx, tokens.ResetPassword, in.Token)
	} else {
		link, err = s.resetByCode(ctx, in)
	}
	if err == nil {
		u, err = s.resettable(ctx, link)
	}
	return link, u, err
}

// resetByCode looks at the password first, as far as that is possible without
// knowing whose it will be, so that a bad one costs no try of the code.
func (s *Service) resetByCode(ctx context.Context, in ResetInput) (tokens.Found, error) {
	f := form{}
	if in.Code == "" {
		f.blame("code", field("required"))
	}
	f.blame("new_password", s.checkPassword(in.Password, &models.User{}))
	if err := f.err(); err != nil {
		return tokens.Found{}, err
	}
	link, err := s.Tokens.Links.CheckCode(ctx, tokens.ResetPassword, in.Attempt, in.Code)
	if err != nil {
		return tokens.Found{}, s.recordGuess(ctx, guess{tokens.ResetPassword, audit.PasswordReset, in.Attempt, in.Client}, err)
	}
	return link, nil
}

// guess is a code that was tried.
type guess struct {
	kind    tokens.LinkKind
	action  audit.Action
	attempt string
	by      tokens.Client
}

// recordGuess leaves a trace of a wrong code (ASVS 5.0, 16.3.1), even when the
// caller is gone by now, and returns why. Attempts that are not there leave
// none: strangers can make up any number of those.
func (s *Service) recordGuess(ctx context.Context, g guess, why error) error {
	if !tokens.ErrCode.Is(apperr.From(why)) {
		return why
	}
	ctx, cancel := database.Afterwards(ctx)
	defer cancel()
	found, err := s.Tokens.Links.ByAttempt(ctx, g.kind, g.attempt)
	if err != nil {
		return why // another request has used it up
	}
	e := event(g.action, found.Subject, g.by)
	e.Outcome, e.Reason = audit.Failure, "code_wrong"
	if err := s.Audit.Record(ctx, e); err != nil {
		return err
	}
	return why
}
