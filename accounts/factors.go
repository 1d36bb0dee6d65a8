package accounts

import (
	"gorm.io/gorm"

	"gatehouse/accounts/moving"
	"gatehouse/models"
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
	// Erase forgets every factor of an account.
	Erase func(tx *gorm.DB, user models.ID) error
}
