package models

// ReservedName is a name that its last owner may still take back. Kind is
// "username" or "email". Owned by accounts.
type ReservedName struct {
	Kind    string `gorm:"primaryKey"`
	NameKey []byte `gorm:"primaryKey"`
	UserID  ID
	Until   Time
}

// TableName names the table for GORM.
func (ReservedName) TableName() string { return "reserved_names" }

// EmailChange is a change of an address: begun, confirmed from the new address
// (ChangedAt), taken back from the old one (UndoneAt). Owned by accounts.
type EmailChange struct {
	ID          ID `gorm:"primaryKey"`
	UserID      ID
	Email       string
	EmailKey    []byte
	OldEmail    string
	OldEmailKey []byte
	CreatedAt   Time
	ChangedAt   Time
	UndoneAt    Time
	ExpiresAt   Time
}

// TableName names the table for GORM.
func (EmailChange) TableName() string { return "email_changes" }

// KnownDevices are marks of the devices that a person has signed in from,
// the latest first, and of the browsers among them that are known. Owned by
// accounts.
type KnownDevices struct {
	UserID    ID `gorm:"primaryKey"`
	Marks     []byte
	Known     []byte
	UpdatedAt Time
}

// TableName names the table for GORM.
func (KnownDevices) TableName() string { return "known_devices" }

// Invitation is an offer of an account to an address. Its id becomes that of
// the account. InvitedBy is the administrator, zero for the command line. Owned
// by accounts.
type Invitation struct {
	ID          ID `gorm:"primaryKey"`
	Email       string
	EmailKey    []byte
	Roles       Words
	Locale      string
	InvitedBy   ID
	CreatedAt   Time
	ExpiresAt   Time
	AcceptedAt  Time
	WithdrawnAt Time
}

// TableName names the table for GORM.
func (Invitation) TableName() string { return "invitations" }
