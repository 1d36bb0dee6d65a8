package models

// SigningKey is a key of the ring: a signing pair, or a secret for MACs. The
// private half is sealed with a key derived from SECRET_KEY and bound to this
// row. Owned by keys.
type SigningKey struct {
	KID       string `gorm:"column:kid;primaryKey"`
	Purpose   string
	Alg       string
	State     string
	Public    []byte // JWK (RFC 7517), empty for a MAC secret
	Private   []byte // sealed PKCS #8 or raw secret
	CreatedAt Time
	SignsFrom Time
	RetiredAt Time
	RevokedAt Time
}

// TableName names the table for GORM.
func (SigningKey) TableName() string { return "signing_keys" }

// KeySlot says which key of a purpose is in use: one row per purpose, moved by
// a condition on the key that was there before, so that of several nodes
// exactly one puts the next. Owned by keys.
type KeySlot struct {
	Purpose   string `gorm:"primaryKey"`
	KID       string `gorm:"column:kid"`
	ChangedAt Time
}

// TableName names the table for GORM.
func (KeySlot) TableName() string { return "key_slots" }
