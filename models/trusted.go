package models

// TrustedDevice is a browser in which somebody is not asked for a second factor
// until it expires. BrowserHash is of its cookie and of the person; a row of
// another session epoch than the person's is over. Owned by signin.
type TrustedDevice struct {
	ID           ID `gorm:"primaryKey"`
	UserID       ID
	BrowserHash  []byte
	SessionEpoch int64
	UserAgent    string
	Uses         int64
	CreatedAt    Time
	ExpiresAt    Time
	LastUsedAt   Time
}

// TableName names the table for GORM.
func (TrustedDevice) TableName() string { return "trusted_devices" }
