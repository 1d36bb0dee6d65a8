package accounts

import (
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts/moving"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// What a file says about second factors, for the room that keeps them.
type (
	// TOTP is the shared secret of an authenticator app.
	TOTP = moving.TOTP
	// Passkey is a WebAuthn credential.
	Passkey = moving.Passkey
)

// Factors is what one account proves itself with besides its password.
type Factors struct {
	User          models.ID
	TOTP          *TOTP
	Passkeys      []Passkey
	RecoveryCodes []string // hashes
	CreatedAt     models.Time
}

// Empty reports whether there is nothing.
func (f *Factors) Empty() bool {
	return f.TOTP == nil && len(f.Passkeys) == 0 && len(f.RecoveryCodes) == 0
}

// FactorStore is how accounts moves and erases factors, which signin owns.
// server/wire.go hands it over. Each works in the transaction it is given.
type FactorStore struct {
	// None is a condition on a row of users: it has no second factor. It has
	// no parameters.
	None string
	// Import adds factors to accounts that have none. A credential that is
	// already somebody's is a duplicate (database.IsDuplicate).
	Import func(tx *gorm.DB, list []Factors) error
	// Export reads the factors of the accounts after one id and up to another.
	Export func(tx *gorm.DB, after, upTo models.ID) (map[models.ID]*Factors, error)
	// Known tells whose these credential ids are already.
	Known func(tx *gorm.DB, credentials [][]byte) (map[string]models.ID, error)
	// Describe says which factors an account has, for its owner's eyes.
	Describe func(tx *gorm.DB, user models.ID) (*FactorFacts, error)
	// Erase forgets every factor of an account.
	Erase func(tx *gorm.DB, user models.ID) error
}

// TellOfFactor queues the notice about a change of a factor, in the transaction
// of the change (security rule 12; NIST SP 800-63B-4, section 4.6). kind is one
// of mail's; factor is the stem of the method.
func (s *Service) TellOfFactor(tx *gorm.DB, u *models.User, kind, factor string, by tokens.Client) error {
	if !s.Mail.Configured() {
		return nil
	}
	return s.Mail.Enqueue(tx, mail.Message{
		To: Mailbox(u.Email, u.EmailKey), Locale: u.Locale, Purpose: mail.Notice,
		Data: map[string]string{
			"kind": kind, "factor": factor, "device": by.Device, "ip": by.IP, "at": s.Clock().UTC().Format(time.RFC3339),
		},
	})
}

// FactorFacts is what may be told of the factors of an account: nothing that
// opens it.
type FactorFacts struct {
	TOTP              *TOTPFacts     `json:"totp"`
	Passkeys          []PasskeyFacts `json:"passkeys"`
	RecoveryCodesLeft int            `json:"recovery_codes_left"`
	RecoveryCodesUsed int            `json:"recovery_codes_used"`
	TrustedBrowsers   []TrustedFacts `json:"trusted_browsers"`
}

// TOTPFacts is an authenticator app without its seed.
type TOTPFacts struct {
	AddedAt   *time.Time `json:"added_at"`
	Algorithm string     `json:"algorithm"`
	Digits    int        `json:"digits"`
	Period    int        `json:"period"`
}

// PasskeyFacts is a passkey without its key.
type PasskeyFacts struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Domain     string     `json:"domain"`
	Transports []string   `json:"transports"`
	BackedUp   bool       `json:"backed_up"`
	AddedAt    *time.Time `json:"added_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// TrustedFacts is a browser in which no second factor is asked for, without the
// mark that its cookie is known by.
type TrustedFacts struct {
	ID         string     `json:"id"`
	UserAgent  string     `json:"user_agent"`
	Uses       int64      `json:"uses"`
	TrustedAt  *time.Time `json:"trusted_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// MailFactorReset queues the letter with which somebody who has lost every
// second factor takes them away, to the stored address.
func (s *Service) MailFactorReset(tx *gorm.DB, u *models.User, link secrets.Raw, life time.Duration) error {
	return s.Mail.Enqueue(tx, mail.Message{
		To: Mailbox(u.Email, u.EmailKey), Locale: u.Locale, Purpose: mail.Notice, Link: link.Reveal(),
		Data: map[string]string{"kind": mail.KindFactorReset, "link_ttl": life.String(), "at": s.Clock().UTC().Format(time.RFC3339)},
	})
}
