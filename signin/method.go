package signin

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/models"
)

// Factors are what a method proves (NIST SP 800-63B-4, section 3). Two methods
// count as two factors only when they prove two things.
const (
	FactorKnowledge  = "knowledge"
	FactorPossession = "possession"
)

// Use is what a method may be used for.
type Use uint8

// The uses.
const (
	First   Use = 1 << iota // it opens a sign-in
	Second                  // it completes one that another factor opened
	StandIn                 // a Second for a lost one, and no second factor by itself
	StepUp                  // it proves once more who is there
)

// Method is one way to prove who one is. A method answers questions about
// itself and has no effects but those of its Claim; everything around it
// belongs to Flow.
type Method interface {
	// Name is the stem that names its file, template, words and metric.
	Name() string
	// Factor is what it proves.
	Factor() string
	// Uses is what it may be used for.
	Uses() Use
	// AMR are its values in the claim "amr" (RFC 8176, section 2).
	AMR() []string
	// Enrolled reports whether this account has it.
	Enrolled(ctx context.Context, a Account) (bool, error)
	// Verify compares what is shown. It does the same work for nobody and for
	// accounts without the method, and then says no. After an error the try is
	// not counted, unless the verdict says that something was compared before it.
	Verify(ctx context.Context, o Offer) (Verdict, error)
}

// Finder is a method that finds the account by itself, when a sign-in begins
// without a name: a discoverable passkey. nil is nobody.
type Finder interface {
	Find(ctx context.Context, o Offer) (*models.User, error)
}

// Unguessable is a method whose proof cannot be found by trying, like a
// signature. Its tries take no slot of a counter: there is nothing to guess,
// and a stranger's wrong tries must not lock its owner out (security rule 13).
type Unguessable interface {
	Unguessable()
}

// Account is whose factors are asked for. Held is read once, in one statement.
type Account struct {
	*models.User
	Held Held
}

// Held is how many of each factor of ours an account has; codes that were used
// are none.
type Held struct {
	TOTP, Passkeys, RecoveryCodes int64
}

// Second reports whether there is a second factor. Recovery codes are none:
// they stand in for one.
func (h Held) Second() bool { return h.TOTP+h.Passkeys > 0 }

// Health says in one word how an account stands: "password_only" when a stolen
// password opens it, "one_loss" when one lost device shuts its owner out,
// "few_codes" when that is near, and "good".
func (h Held) Health() string {
	switch devices := h.TOTP + h.Passkeys; {
	case devices == 0:
		return "password_only"
	case devices == 1 && h.RecoveryCodes == 0:
		return "one_loss"
	case devices == 1 && h.RecoveryCodes < 3:
		return "few_codes"
	}
	return "good"
}

// Offer is what somebody shows to prove who they are.
type Offer struct {
	User *models.User // nil is nobody
	// Secret is what was typed; Response is the answer of a ceremony, of the
	// type that the method asks for.
	Secret   string
	Response any
	// Attempt is the sign-in that waits for it, Session the session that wants
	// a fresh proof. One of them at most is set; none at the start of a sign-in.
	Attempt, Session models.ID
	// Browser is the web session that asks, anonymous or not; zero is none.
	Browser models.ID
}

// Verdict is what a method found.
type Verdict struct {
	OK bool
	// Looked says, beside an error, that something was compared before it: the try
	// counts, or who hangs up in time would guess for nothing.
	Looked bool
	// Why is the refusal when not OK, or when Claim came too late; nil is
	// invalid_credentials for a method that begins a sign-in, and the stem with
	// "_wrong" for a second factor.
	Why *apperr.Error
	// Check is which check refused, for the record and for nobody else.
	Check string
	// MultiFactor says that both factors were shown at once: a passkey with
	// user verification.
	MultiFactor bool
	// AMR, when set, takes the place of the method's own values.
	AMR []string
	// First says that the factor was made within the sign-in, which is allowed to
	// an account that has no other.
	First bool
	// Notice, when set, is the kind of mail that tells the owner of the sign-in.
	Notice string
	// MustChange says that the secret is right and has to be changed before it
	// opens anything.
	MustChange bool
	// Claim, when set, uses up what can be used once, in the transaction that
	// makes something of it: a conditional UPDATE whose row count is the answer.
	// false means that somebody else was first. It may run twice.
	Claim func(tx *gorm.DB) (bool, error)
	// Renew, when set, is called after a sign-in that succeeded, to bring what
	// is stored about the secret up to date.
	Renew func(ctx context.Context) error
}
