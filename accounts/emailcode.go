package accounts

import (
	"context"

	"gatehouse/audit"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// SendCode mails a code to sign in with to the account of a name. The answer is
// an attempt to type it into, and is the same for a name that nobody has, as
// with a forgotten password (security rule 14). An address that was never
// proved gets no code: it may be a stranger's, whom the code would let in.
func (s *Service) SendCode(ctx context.Context, login string, by tokens.Client) (attempt secrets.Raw, err error) {
	return s.ask(ctx, asked{
		errand: errand{kind: tokens.EmailCode}, purpose: mail.EmailCode, action: audit.CodeRequested,
		work: tokens.WorkCode, login: login, by: by,
		why: func(u *models.User) string {
			if u.EmailVerifiedAt.IsZero() {
				return "email_not_verified"
			}
			return ""
		},
	})
}

// CodeOwner finds whose sign-in an attempt is; nil is nobody.
func (s *Service) CodeOwner(ctx context.Context, attempt string) (*models.User, error) {
	link, err := s.Tokens.Links.ByAttempt(ctx, tokens.EmailCode, attempt)
	if err != nil {
		if tokens.ErrLink.Is(err) {
			return nil, nil
		}
		return nil, err
	}
	return s.one(ctx, "id = ?", link.Subject)
}
