package models

// SignInAttempt is a sign-in that has shown its first factor and waits for
// another. It opens nothing. SessionEpoch is the user's at the first factor: an
// attempt of before a change of the password is dead. Owned by signin.
type SignInAttempt struct {
	ID           ID `gorm:"primaryKey"`
	UserID       ID
	HandleHash   []byte
	Done         Words // names of the methods that were shown
	AMR          Words `gorm:"column:amr"`
	Web          int64 // 1 in a browser, 0 in a program
	MustChange   int64
	SessionEpoch int64
	CreatedAt    Time
	ExpiresAt    Time
	FinishedAt   Time
}

// TableName names the table for GORM.
func (SignInAttempt) TableName() string { return "signin_attempts" }

// TOTPEnrolment is the seed of an authenticator app that no code has confirmed
// yet; a person has one, the newest. Seed is sealed. Owned by signin.
type TOTPEnrolment struct {
	UserID    ID `gorm:"primaryKey"`
	ID        ID
	Seed      []byte
	CreatedAt Time
	ExpiresAt Time
}

// TableName names the table for GORM.
func (TOTPEnrolment) TableName() string { return "totp_enrolments" }
