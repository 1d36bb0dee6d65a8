package signin

import (
	"context"

	"gatehouse/models"
)

// Factors are what a method proves (NIST SP 800-63B-4, section 3). Wrong tries
// are counted per account and factor.
const (
	FactorKnowledge = "knowledge"
)

// Method is one way to prove who one is. A method answers questions about
// itself and has no effects; everything around it belongs to Flow.
type Method interface {
	// Name is the stem that names its file, template, words and metric.
	Name() string
	// Factor is what it proves.
	Factor() string
	// AMR is its value in the claim "amr" (RFC 8176, section 2).
	AMR() string
	// Enrolled reports whether this account has it.
	Enrolled(u *models.User) bool
	// Verify compares a secret. It does the same work for nil and for accounts
	// without the method, and then says no. An error means that nothing was
	// compared.
	Verify(ctx context.Context, u *models.User, secret string) (Verdict, error)
}

// Verdict is what a method found.
type Verdict struct {
	OK bool
	// MustChange says that the secret is right and has to be changed before it
	// opens anything.
	MustChange bool
	// Renew, when set, is called after a sign-in that succeeded, to bring what
	// is stored about the secret up to date.
	Renew func(ctx context.Context) error
}
