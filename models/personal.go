package models

// PersonalToken is a token that a person made for a program of theirs. The
// database keeps its hash. A living one holds a Slot, nil in one that ended:
// the unique key over owner and slot bounds how many a person has. Owned by
// tokens.
type PersonalToken struct {
	ID          ID `gorm:"primaryKey"`
	UserID      ID
	Slot        *int64
	TokenHash   []byte
	Name        string
	Scope       Words
	CreatedAt   Time
	ExpiresAt   Time
	LastUsedAt  Time
	LastUsedIP  string `gorm:"column:last_used_ip"` // "" when a service asked
	LastUsedVia string // the service that asked, "" for our own API
	EndedAt     Time
	EndedWhy    string
}

// TableName names the table for GORM.
func (PersonalToken) TableName() string { return "personal_tokens" }
