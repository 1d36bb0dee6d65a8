package models

// TOTPFactor is the shared secret of an authenticator app (RFC 6238). Seed is
// sealed; LastStep is the newest time step that was used, so that no code works
// twice. Owned by signin.
type TOTPFactor struct {
	UserID    ID `gorm:"primaryKey"`
	Seed      []byte
	Algorithm string
	Digits    int
	Period    int
	LastStep  int64
	CreatedAt Time
}

// TableName names the table for GORM.
func (TOTPFactor) TableName() string { return "totp_factors" }

// Passkey is a WebAuthn credential (Level 3, section 4, "credential record").
// PublicKey is its COSE key; UserHandle is what the authenticator knows the
// account by, which for an imported one is not its id here. Owned by signin.
type Passkey struct {
	ID             ID `gorm:"primaryKey"`
	UserID         ID
	CredentialID   []byte
	PublicKey      []byte
	SignCount      int64
	Transports     Words
	AAGUID         ID `gorm:"column:aaguid"`
	BackupEligible int64
	BackupState    int64
	RPID           string `gorm:"column:rp_id"`
	UserHandle     []byte
	Name           string
	CreatedAt      Time
	LastUsedAt     Time
}

// TableName names the table for GORM.
func (Passkey) TableName() string { return "passkeys" }

// RecoveryCode is the hash of a code that works once, when the other factors
// are lost. Owned by signin.
type RecoveryCode struct {
	UserID    ID  `gorm:"primaryKey"`
	Position  int `gorm:"primaryKey"`
	Hash      string
	CreatedAt Time
	UsedAt    Time
}

// TableName names the table for GORM.
func (RecoveryCode) TableName() string { return "recovery_codes" }

// PasskeyCeremony is a challenge that was handed out (WebAuthn Level 3, section
// 13.4.3). It is consumed by setting UsedAt under a condition. Owned by signin.
type PasskeyCeremony struct {
	Kind          string `gorm:"primaryKey"`
	ChallengeHash []byte `gorm:"primaryKey"`
	// BoundHash names the session, attempt or browser that asked.
	BoundHash []byte
	CreatedAt Time
	ExpiresAt Time
	UsedAt    Time
}

// TableName names the table for GORM.
func (PasskeyCeremony) TableName() string { return "passkey_ceremonies" }

// PasskeyOffer is when somebody was last offered a passkey. Owned by signin.
type PasskeyOffer struct {
	UserID    ID `gorm:"primaryKey"`
	OfferedAt Time
}

// TableName names the table for GORM.
func (PasskeyOffer) TableName() string { return "passkey_offers" }
