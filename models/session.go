package models

// Session is a session on the server: of a browser (CookieHash is set), or of
// a program (a refresh family hangs on it). A row without UserID is an
// anonymous browser that needed a place for a flash message or a half-finished
// form. Owned by tokens.
type Session struct {
	ID         ID `gorm:"primaryKey"`
	CookieHash []byte
	UserID     ID
	ClientID   string
	// SessionEpoch is the user's epoch at sign-in; another value in the user's
	// row means that every session of that time has ended.
	SessionEpoch  int64
	AuthTime      Time
	ACR           string `gorm:"column:acr"`
	AMR           Words  `gorm:"column:amr"`
	IP            string `gorm:"column:ip"`
	UserAgent     string
	Data          []byte // flash messages and form state, sealed
	CreatedAt     Time
	LastSeenAt    Time
	IdleUntil     Time
	AbsoluteUntil Time
	EndedAt       Time
	EndedWhy      string
}

// TableName names the table for GORM.
func (Session) TableName() string { return "sessions" }

// RefreshFamily is a line of refresh tokens, one row however often it is
// rotated (RFC 9700, section 4.14.2). Owned by tokens.
type RefreshFamily struct {
	ID            ID `gorm:"primaryKey"`
	SessionID     ID
	UserID        ID
	ClientID      string
	Scope         Words
	Audience      string
	Generation    int64
	CurHash       []byte
	Recent        []byte // generations consumed within the retry window
	CreatedAt     Time
	IdleUntil     Time
	AbsoluteUntil Time
	EndedAt       Time
	EndedWhy      string
}

// TableName names the table for GORM.
func (RefreshFamily) TableName() string { return "refresh_families" }

// OneTimeToken is a mailed link, a six-digit code or both, for one purpose. A
// row is consumed by setting UsedAt under a condition. Owned by tokens.
type OneTimeToken struct {
	ID            ID `gorm:"primaryKey"`
	Kind          string
	Subject       ID
	TokenHash     []byte
	AttemptHash   []byte
	CodeMAC       []byte `gorm:"column:code_mac"`
	CodeTries     int64
	CodeExpiresAt Time
	ExpiresAt     Time
	CreatedAt     Time
	UsedAt        Time
	SecretUntil   int64
}

// TableName names the table for GORM.
func (OneTimeToken) TableName() string { return "one_time_tokens" }

// ThrottleCounter counts evaluated tries of one account and factor. Owned by signin.
type ThrottleCounter struct {
	Bucket    []byte `gorm:"primaryKey"`
	Tries     int64
	NextAt    Time
	UpdatedAt Time
}

// TableName names the table for GORM.
func (ThrottleCounter) TableName() string { return "throttle_counters" }
