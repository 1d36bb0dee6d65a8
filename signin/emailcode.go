package signin

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/models"
	"gatehouse/tokens"
)

// emailCode is the method "emailcode": six digits that were mailed a moment ago
// for the very attempt that they are typed into. It begins a sign-in in place of
// a password, and proves nothing else: a mailbox can be reached with a password
// alone, so that it is no second factor beside one (NIST SP 800-63B-4, section
// 3.1.3.1, does not take mail for an out-of-band authenticator at all).
type emailCode struct {
	accounts *accounts.Service
	links    *tokens.Links
}

// NewEmailCode builds the method. It is there only when EMAIL_CODE_LOGIN is on.
func NewEmailCode(a *accounts.Service, l *tokens.Links) Method { return emailCode{a, l} }

func (emailCode) Name() string { return "emailcode" }

// Factor is the one of an authenticator app and a passkey, so that a mailbox
// and one of those are never counted as two factors.
func (emailCode) Factor() string { return FactorPossession }
func (emailCode) Uses() Use      { return First }

// AMR has no registered value for mail (RFC 8176, section 2), and "otp" would
// be taken for an authenticator app.
func (emailCode) AMR() []string { return []string{"email"} }

func (emailCode) Enrolled(_ context.Context, a Account) (bool, error) {
	return !a.EmailVerifiedAt.IsZero(), nil
}

// Unguessable spares the counter of the account. The guesses are counted where
// the codes are: five for a code, twenty codes a day for an address, whoever
// asked for them (security rule 13).
func (emailCode) Unguessable() {}

// Find reads whose attempt it is.
func (m emailCode) Find(ctx context.Context, o Offer) (*models.User, error) {
	attempt, _ := o.Response.(string)
	return m.accounts.CodeOwner(ctx, attempt)
}

// Verify looks at the code before anything else, so that the attempt of a name
// that nobody has is answered like every other.
func (m emailCode) Verify(ctx context.Context, o Offer) (Verdict, error) {
	attempt, _ := o.Response.(string)
	found, err := m.links.CheckCode(ctx, tokens.EmailCode, attempt, o.Secret)
	switch {
	case tokens.ErrCode.Is(err), tokens.ErrLink.Is(err):
		return Verdict{Why: apperr.From(err)}, nil
	case err != nil:
		return Verdict{}, err
	}
	return Verdict{
		OK: o.User != nil && o.User.ID == found.Subject, Why: tokens.ErrLink,
		Claim: func(tx *gorm.DB) (bool, error) { return m.links.Consume(tx, found.ID) },
	}, nil
}
