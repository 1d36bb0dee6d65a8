package accounts

import (
	"context"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
)

// The two answers for a name that somebody else has. They are given only where
// telling is no secret: to who proved to own the mailbox, to who is signed in,
// to an operator, and with EMAIL_VERIFICATION=optional.
var (
	errEmailTaken    = apperr.New(apperr.Conflict, "email_taken").WithField("email", apperr.Field{Reason: "taken"})
	errUsernameTaken = apperr.New(apperr.Conflict, "username_taken").WithField("username", apperr.Field{Reason: "taken"})
)

// form collects what is wrong with the fields of one request, so that a person
// sees all of it at once.
type form map[string]apperr.Field

func (f form) blame(name string, wrong *apperr.Field) {
	if wrong != nil {
		f[name] = *wrong
	}
}

// err is nil when nothing is wrong.
func (f form) err() error {
	if len(f) == 0 {
		return nil
	}
	e := apperr.New(apperr.Invalid, "validation_failed")
	for _, name := range slices.Sorted(maps.Keys(f)) {
		e = e.WithField(name, f[name])
	}
	return e
}

// typed is what a person gave to make an account.
type typed struct {
	Email, Username, Name, Password, Locale string
}

// read checks all fields and returns the account they describe, without an id
// and without a password. The username is optional: the address alone is
// enough to sign in.
func (s *Service) read(in typed, f form) *models.User {
	u := &models.User{Locale: cleanLocale(in.Locale)}
	var wrong *apperr.Field
	u.Email, u.EmailKey, wrong = CanonicalEmail(in.Email)
	f.blame("email", wrong)
	u.Username, u.UsernameKey, wrong = optionalUsername(in.Username)
	f.blame("username", wrong)
	u.Name, wrong = canonicalName(in.Name)
	f.blame("name", wrong)
	u.CreatedAt = s.now()
	u.UpdatedAt = u.CreatedAt
	return u
}

// checkPassword applies the policy with the names of the account as context.
func (s *Service) checkPassword(password string, u *models.User) *apperr.Field {
	if password == "" {
		return field("required")
	}
	local, _, _ := strings.Cut(u.Email, "@")
	return s.Passwords.Check(password, slices.DeleteFunc(
		[]string{u.Email, string(u.EmailKey), local, usernameOf(u), string(u.UsernameKey), u.Name},
		func(word string) bool { return word == "" })...)
}

func optionalUsername(s string) (*string, []byte, *apperr.Field) {
	if strings.Trim(s, " ") == "" {
		return nil, nil, nil
	}
	as, key, wrong := CanonicalUsername(s)
	if wrong != nil {
		return nil, nil, wrong
	}
	return &as, key, nil
}

func usernameOf(u *models.User) string {
	if u.Username == nil {
		return ""
	}
	return *u.Username
}

// cleanLocale keeps what looks like a language tag (RFC 5646) and fits the
// column; anything else is "not told".
func cleanLocale(s string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
	if len(s) > 35 || strings.Trim(s, letters) != "" {
		return ""
	}
	return s
}

const insertUserSQL = `INSERT INTO users (id, username, username_key, email, email_key, email_verified_at, name, locale,
 password_hash, password_changed_at, roles, token_epoch, session_epoch, sign_ins, created_at, updated_at)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`

// insert claims the address and the username: the unique keys decide, so that
// one of many wins. Its error is told apart by taken, after the transaction.
func insert(tx *gorm.DB, u *models.User) error {
	err := tx.Exec(insertUserSQL, u.ID, u.Username, u.UsernameKey, u.Email, u.EmailKey, u.EmailVerifiedAt, u.Name,
		u.Locale, u.PasswordHash, u.PasswordChangedAt, string(u.Roles), u.TokenEpoch, u.SessionEpoch,
		u.CreatedAt, u.UpdatedAt).Error
	if err != nil {
		return err
	}
	return claimed(tx, u, u.UpdatedAt)
}

// taken turns a violated unique key into the answer which name it was. It is
// asked after the transaction was undone. Every other error stays.
func (s *Service) taken(ctx context.Context, err error, u *models.User) error {
	if !database.IsDuplicate(err) {
		return err
	}
	other, lookup := s.sameKeys(ctx, u)
	switch {
	case lookup != nil:
		return lookup
	case other.email:
		return errEmailTaken
	case other.username:
		return errUsernameTaken
	}
	// The other one is gone again, or not visible on this node yet.
	return database.Unavailable(err)
}

type keysTaken struct{ email, username bool }

func (s *Service) sameKeys(ctx context.Context, u *models.User) (k keysTaken, err error) {
	err = s.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		var found []models.User
		q := tx.Select("id", "email_key", "username_key").Where("email_key = ?", u.EmailKey)
		if len(u.UsernameKey) > 0 {
			q = q.Or("username_key = ?", u.UsernameKey)
		}
		err := q.Find(&found).Error
		for _, other := range found {
			k.email = k.email || string(other.EmailKey) == string(u.EmailKey)
			k.username = k.username || len(u.UsernameKey) > 0 && string(other.UsernameKey) == string(u.UsernameKey)
		}
		return err
	})
	return k, database.Unavailable(err)
}
