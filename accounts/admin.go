package accounts

import (
	"context"
	"regexp"
	"slices"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/tokens"
)

// RoleOwner is the role that may do everything. One enabled owner always stays.
const RoleOwner = "owner"

// ErrLastOwner refuses to leave the installation without an owner.
var ErrLastOwner = apperr.New(apperr.Conflict, "last_owner")

// NewUser is an account that an operator makes.
type NewUser struct {
	Email, Username, Name string
	Password              string // "" is none: a reset link sets the first
	Locale                string
	Roles                 []string
	Verified              bool
}

// CreateUser makes an account at once, on an operator's word.
func (s *Service) CreateUser(ctx context.Context, in NewUser, by tokens.Client) (*models.User, error) {
	u, err := s.readNewUser(in)
	if err != nil {
		return nil, err
	}
	if in.Password != "" {
		if u.PasswordHash, err = s.Passwords.Hash(ctx, in.Password); err != nil {
			return nil, err
		}
		u.PasswordChangedAt = u.CreatedAt
	}
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := insert(tx, u); err != nil {
			return err
		}
		if err := s.noteOwner(tx, u.Roles); err != nil {
			return err
		}
		e := event(audit.UserCreated, u.ID, by)
		e.Detail = map[string]string{"roles": string(u.Roles)}
		return s.Audit.Append(tx, e)
	})
	if err != nil {
		return nil, s.taken(ctx, err, u)
	}
	return u, nil
}

func (s *Service) readNewUser(in NewUser) (*models.User, error) {
	f := form{}
	u := s.read(typed{in.Email, in.Username, in.Name, in.Password, in.Locale}, f)
	if in.Password != "" {
		f.blame("password", s.checkPassword(in.Password, u))
	}
	roles, wrong := canonicalRoles(in.Roles)
	f.blame("roles", wrong)
	u.ID, u.Roles = models.NewID(), roles
	if in.Verified {
		u.EmailVerifiedAt = u.CreatedAt
	}
	return u, f.err()
}

// roleWord is what a role may be called: it is a word of a claim and of a
// column that separates words by spaces.
var roleWord = regexp.MustCompile(`^[a-z][a-z0-9_.:-]{0,31}$`)

const maxRoles = 15 // times 33 bytes fit the column

// canonicalRoles sorts the roles and drops repetitions.
func canonicalRoles(list []string) (models.Words, *apperr.Field) {
	roles := slices.Compact(slices.Sorted(slices.Values(list)))
	if len(roles) > maxRoles {
		return "", tooLong(maxRoles)
	}
	for _, r := range roles {
		if !roleWord.MatchString(r) {
			return "", field("unusable")
		}
	}
	return models.JoinWords(roles), nil
}

// Page asks for a part of all accounts, in the order of their ids.
type Page struct {
	After models.ID // the last id of the page before; the zero id begins
	Limit int       // 0 is 50, at most 500
	// Search keeps accounts whose address or username begins like this.
	Search string
}

// List reads one page.
func (s *Service) List(ctx context.Context, p Page) ([]models.User, error) {
	if p.Limit <= 0 {
		p.Limit = 50
	}
	q := s.DB.Read(ctx).Order("id").Limit(min(p.Limit, 500))
	if !p.After.IsZero() {
		q = q.Where("id > ?", p.After)
	}
	if p.Search != "" {
		from, to := prefixRange(p.Search)
		q = q.Where("(email_key >= ? AND email_key < ?) OR (username_key >= ? AND username_key < ?)", from, to, from, to)
	}
	users := []models.User{}
	err := q.Find(&users).Error
	return users, database.Unavailable(err)
}

// prefixRange is the range of keys that begin with s: a range of bytes uses the
// unique index and needs no LIKE, whose wildcards would have to be escaped. The
// byte 0xFF stands in no UTF-8 text.
func prefixRange(s string) (from, to []byte) {
	key, ok := caseMapped(s)
	if !ok {
		key = s
	}
	return []byte(key), append([]byte(key), 0xFF)
}

// SetDisabled disables or enables an account. Disabling ends everything that
// is signed in, in the same transaction; doing it twice is no error.
func (s *Service) SetDisabled(ctx context.Context, id models.ID, disabled bool, by tokens.Client) error {
	if disabled {
		return s.disable(ctx, id, by)
	}
	return s.DB.Write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE users SET disabled_at = NULL, updated_at = ? WHERE id = ? AND disabled_at IS NOT NULL`, s.now(), id)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return s.mustExist(tx, id)
		}
		return s.Audit.Append(tx, event(audit.UserEnabled, id, by))
	})
}

func (s *Service) disable(ctx context.Context, id models.ID, by tokens.Client) error {
	return s.Tokens.Log.Write(ctx, func(tx *gorm.DB) error {
		now := s.now()
		res := tx.Exec(`UPDATE users SET disabled_at = ?, updated_at = ?,
 token_epoch = token_epoch + 1, session_epoch = session_epoch + 1
 WHERE id = ? AND disabled_at IS NULL`, now, now, id)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return s.mustExist(tx, id)
		}
		// Read after the UPDATE: the row is ours now and cannot change.
		was, err := rolesOf(tx, id)
		if err != nil {
			return err
		}
		if err := s.keepAnOwner(tx, id, was); err != nil {
			return err
		}
		if err := s.endAll(tx, id, "account_disabled", models.ID{}); err != nil {
			return err
		}
		return s.Audit.Append(tx, event(audit.UserDisabled, id, by))
	})
}

// mustExist tells "nothing to do" from "nobody there".
func (s *Service) mustExist(tx *gorm.DB, id models.ID) error {
	var n int64
	err := tx.Raw(`SELECT COUNT(*) FROM users WHERE id = ?`, id).Scan(&n).Error
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// SetRoles replaces the roles of an account. Its access tokens end, because
// they carry the old ones; sessions and refresh families stay and have the new
// roles from now on, since both read them from the account's row every time.
func (s *Service) SetRoles(ctx context.Context, id models.ID, list []string, by tokens.Client) error {
	roles, wrong := canonicalRoles(list)
	if wrong != nil {
		return apperr.New(apperr.Invalid, "validation_failed").WithField("roles", *wrong)
	}
	return s.Tokens.Log.Write(ctx, func(tx *gorm.DB) error {
		// The row is written first, so that what is read next cannot change.
		res := tx.Exec(`UPDATE users SET token_epoch = token_epoch + 1, updated_at = ? WHERE id = ? AND roles <> ?`,
			s.now(), id, string(roles))
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return s.mustExist(tx, id)
		}
		return s.writeRoles(tx, id, roles, by)
	})
}

func (s *Service) writeRoles(tx *gorm.DB, id models.ID, roles models.Words, by tokens.Client) error {
	was, err := rolesOf(tx, id)
	if err != nil {
		return err
	}
	if err := tx.Exec(`UPDATE users SET roles = ? WHERE id = ?`, string(roles), id).Error; err != nil {
		return err
	}
	if roles.Has(RoleOwner) {
		err = s.noteOwner(tx, roles)
	} else {
		err = s.keepAnOwner(tx, id, was)
	}
	if err != nil {
		return err
	}
	if s.Config.AdminsNeedFactor && looksAfter(roles) && !looksAfter(was) {
		return s.endForRole(tx, id, roles, by)
	}
	return s.endTokens(tx, id, roles, by)
}

// looksAfter reports whether roles are those that MFA=admins is about.
func looksAfter(roles models.Words) bool { return roles.Has(RoleOwner) || roles.Has(RoleAdmin) }

// endForRole ends what is signed in when somebody becomes an administrator whom
// the policy asks for a second factor: a session that a password alone began
// would have the role for a month before anybody asked (security rules 1 and 9).
func (s *Service) endForRole(tx *gorm.DB, id models.ID, roles models.Words, by tokens.Client) error {
	if err := tx.Exec(`UPDATE users SET session_epoch = session_epoch + 1 WHERE id = ?`, id).Error; err != nil {
		return err
	}
	if err := s.endAll(tx, id, "role_needs_factor", models.ID{}); err != nil {
		return err
	}
	return s.recordRoles(tx, id, roles, by)
}

// endTokens ends the access tokens that carry the roles of before.
func (s *Service) endTokens(tx *gorm.DB, id models.ID, roles models.Words, by tokens.Client) error {
	epoch, err := tokenEpoch(tx, id)
	if err != nil {
		return err
	}
	err = s.Tokens.Log.Append(tx, tokens.Entry{Kind: tokens.EntrySubject, Target: id.Bytes(), Epoch: epoch})
	if err != nil {
		return err
	}
	return s.recordRoles(tx, id, roles, by)
}

func (s *Service) recordRoles(tx *gorm.DB, id models.ID, roles models.Words, by tokens.Client) error {
	e := event(audit.UserRoles, id, by)
	e.Detail = map[string]string{"roles": string(roles)}
	return s.Audit.Append(tx, e)
}
