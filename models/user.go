package models

import "strings"

// User is an account. Owned by the room accounts.
//
// UsernameKey and EmailKey are the canonical forms (see accounts), kept beside
// what the person typed in byte-exact unique columns.
type User struct {
	ID                ID `gorm:"primaryKey"`
	Username          *string
	UsernameKey       []byte
	Email             string
	EmailKey          []byte
	EmailVerifiedAt   Time
	Name              string
	Locale            string
	PasswordHash      string
	PasswordChangedAt Time
	Roles             Words
	// TokenEpoch goes up when every access token of the user has to end;
	// tokens carry it as the claim "gen".
	TokenEpoch int64
	// SessionEpoch goes up when every session of the user has to end; a
	// session is valid only while its own copy equals it.
	SessionEpoch int64
	// SignIns counts sign-ins. The counter also makes the conditional UPDATE
	// of a sign-in change a column, because MySQL counts changed rows only.
	SignIns      int64
	LastSignInAt Time
	DisabledAt   Time
	// EraseAt is when an account that is being closed is erased; zero for all
	// others. A sign-in before it takes the closing back.
	EraseAt   Time
	CreatedAt Time
	UpdatedAt Time
	// DeviceMarks and KnownMarks are of the table known_devices, read for a
	// sign-in.
	DeviceMarks []byte `gorm:"-"`
	KnownMarks  []byte `gorm:"-"`
}

// TableName names the table for GORM.
func (User) TableName() string { return "users" }

// ExternalID is the id of an account in the system that it was imported from,
// byte for byte. Owned by accounts.
type ExternalID struct {
	UserID     ID `gorm:"primaryKey"`
	ExternalID []byte
}

// TableName names the table for GORM.
func (ExternalID) TableName() string { return "external_ids" }

// PendingSignup is a sign-up that waits for its address to be confirmed. It is
// the same row whether or not the address is taken. Owned by accounts.
type PendingSignup struct {
	ID           ID `gorm:"primaryKey"`
	Email        string
	EmailKey     []byte
	Username     *string
	UsernameKey  []byte
	Name         string
	Locale       string
	PasswordHash string
	CreatedAt    Time
	ExpiresAt    Time
}

// TableName names the table for GORM.
func (PendingSignup) TableName() string { return "pending_signups" }

// Words is a short list of words (roles, scopes, methods) in one text column,
// separated by single spaces as in RFC 6749, section 3.3.
type Words string

// List returns the words, never nil.
func (w Words) List() []string {
	if w == "" {
		return []string{}
	}
	return strings.Fields(string(w))
}

// Has reports whether word is one of the list.
func (w Words) Has(word string) bool {
	for rest := string(w); rest != ""; {
		var one string
		one, rest, _ = strings.Cut(rest, " ")
		if one == word {
			return true
		}
	}
	return false
}

// JoinWords is the inverse of List.
func JoinWords(list []string) Words { return Words(strings.Join(list, " ")) }
