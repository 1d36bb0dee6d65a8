package moving

import (
	"fmt"
	"time"
)

// Record is a person as a file describes them. Nothing in it was checked but
// its shape.
type Record struct {
	Row           int64 // from 1; for text files the line
	ID            string
	ExternalID    string
	Email         string
	EmailVerified bool
	Username      string
	Name          string
	Roles         []string
	Disabled      bool
	PasswordHash  string
	TOTP          *TOTP
	Passkeys      []Passkey
	RecoveryCodes []string // hashes
	CreatedAt     time.Time
	// Lost names what the row holds and we cannot carry, one word for each.
	Lost []string
}

// lose notes what cannot be carried.
func (r *Record) lose(what string) { r.Lost = append(r.Lost, what) }

// What cannot be carried. docs/migration.md explains each.
const (
	LostPasswordKind  = "password_kind"    // a hash of a kind that we cannot check
	LostPassword      = "password_absent"  // the export has no hash at all
	LostPhone         = "phone"            // telephone numbers
	LostSocial        = "social_login"     // links to other sign-in services
	LostAttributes    = "attributes"       // free attributes and metadata
	LostGroups        = "groups"           // groups and teams
	LostRoles         = "roles"            // roles whose names are no role here
	LostUsername      = "username"         // usernames that look like an address
	LostSecondFactor  = "second_factor"    // factors of a kind we do not have
	LostPasskeyDomain = "passkey_domain"   // passkeys of another domain
	LostPasskey       = "passkey_form"     // passkeys whose key we cannot read
	LostRecoveryCodes = "recovery_codes"   // codes of a kind that we cannot check
	LostActions       = "required_actions" // things to do at the next sign-in
	LostPicture       = "picture"          // pictures
	LostNoEmail       = "second_address"   // further addresses
)

// RowError is a row that cannot be taken. The rows after it are read.
type RowError struct {
	Row   int64
	Which string // the address, username or id of the row, as far as known
	Field string // the field at fault, "" is the whole row
	Why   string // one sentence without a full stop
}

// Error implements error.
func (e *RowError) Error() string {
	s := fmt.Sprintf("row %d", e.Row)
	if e.Which != "" {
		s += fmt.Sprintf(" (%.80q)", e.Which)
	}
	if e.Field != "" {
		s += ": " + e.Field
	}
	return s + ": " + e.Why
}

// Source yields records. Next returns io.EOF at the end, a *RowError for a row
// that is refused, and every other error when reading cannot go on.
type Source interface {
	Next() (*Record, error)
}
