package accounts

import (
	"context"
	"strings"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// Profile is what people may change about themselves without a fresh proof:
// nil stays as it is, an empty username gives it up. It is the whole list of
// such fields, so that no request can reach another column (security rule 21).
type Profile struct {
	Name     *string
	Username *string
}

// UpdateProfile changes the profile of id, which comes from the session or the
// token and never from the body.
func (s *Service) UpdateProfile(ctx context.Context, id models.ID, p Profile, by tokens.Client) (*models.User, error) {
	set, changed, err := p.columns()
	if err != nil {
		return nil, err
	}
	if len(changed) == 0 {
		return s.Get(ctx, id)
	}
	// Every change is a line in the record, which is kept for ever (ASVS 5.0, 2.4.1).
	if err := s.Limits.Take(ctx, ratelimit.Profile, id.String()); err != nil {
		return nil, err
	}
	was, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	// MySQL counts rows that change: a repeat within the same microsecond has to
	// change its row, or it is taken for one that is not there.
	set["updated_at"] = gorm.Expr("CASE WHEN updated_at >= ? THEN updated_at + 1 ELSE ? END", s.now(), s.now())
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := s.writeProfile(tx, was, set); err != nil {
			return err
		}
		e := ownEvent(audit.ProfileChanged, id, by)
		e.Detail = map[string]string{"fields": strings.Join(changed, " ")}
		return s.Audit.Append(tx, e)
	})
	switch {
	case database.IsDuplicate(err):
		return nil, errUsernameTaken
	case err != nil:
		return nil, err
	}
	return s.causalGet(ctx, id)
}

// writeProfile changes the row. The old username is a condition of its change,
// so that of two changes at once each keeps the name that it gave up.
func (s *Service) writeProfile(tx *gorm.DB, was *models.User, set map[string]any) error {
	key, renames := set["username_key"].([]byte)
	renames = renames && string(key) != string(was.UsernameKey)
	q := tx.Model(&models.User{}).Where("id = ?", was.ID).Where("disabled_at IS NULL")
	switch {
	case renames && len(was.UsernameKey) == 0:
		q = q.Where("username_key IS NULL")
	case renames:
		q = q.Where("username_key = ?", was.UsernameKey)
	}
	res := q.Updates(set)
	switch {
	case res.Error != nil:
		return res.Error
	case res.RowsAffected == 0 && renames:
		return apperr.New(apperr.Conflict, "changed_meanwhile")
	case res.RowsAffected == 0:
		return ErrNotFound
	case !renames:
		return nil
	}
	now := s.now()
	if err := claimed(tx, &models.User{ID: was.ID, UsernameKey: key}, now); err != nil {
		return err
	}
	if err := keepUsername(tx, was, now); err != nil || len(was.UsernameKey) == 0 {
		return err
	}
	// A name to sign in with is gone: its owner hears of it (security rule 12).
	return s.notify(tx, was, mail.KindUsernameChanged, s.Clock())
}

// columns checks the profile and says which columns get which values.
func (p Profile) columns() (set map[string]any, changed []string, err error) {
	f, set := form{}, map[string]any{}
	if p.Name != nil {
		name, wrong := canonicalName(*p.Name)
		f.blame("name", wrong)
		set["name"], changed = name, append(changed, "name")
	}
	if p.Username != nil {
		username, key, wrong := optionalUsername(*p.Username)
		f.blame("username", wrong)
		set["username"], set["username_key"], changed = username, key, append(changed, "username")
	}
	return set, changed, f.err()
}

// causalGet reads an account after a write of one's own, on whatever node the
// next connection leads to.
func (s *Service) causalGet(ctx context.Context, id models.ID) (*models.User, error) {
	var found []models.User
	err := s.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		return tx.Where("id = ?", id).Limit(1).Find(&found).Error
	})
	if err != nil {
		return nil, database.Unavailable(err)
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return &found[0], nil
}
