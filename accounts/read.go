package accounts

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/tokens"
)

// ErrNotFound is the answer for an account that is not there, or not yours.
var ErrNotFound = apperr.New(apperr.NotFound, "not_found")

// ByLogin finds the account of what was typed into the login field, nil when
// there is none. It answers for every state of the account: whether one may
// sign in is not decided here.
func (s *Service) ByLogin(ctx context.Context, login string) (*models.User, error) {
	key, isEmail, ok := CanonicalLogin(login)
	switch {
	case !ok:
		return nil, nil
	case isEmail:
		return s.oneWithDevices(ctx, "email_key = ?", key)
	}
	return s.oneWithDevices(ctx, "username_key = ?", key)
}

// Get reads an account by its id; ErrNotFound when there is none.
func (s *Service) Get(ctx context.Context, id models.ID) (*models.User, error) {
	if id.IsZero() {
		return nil, ErrNotFound
	}
	u, err := s.one(ctx, "id = ?", id)
	if err == nil && u == nil {
		return nil, ErrNotFound
	}
	return u, err
}

// ForSignIn is Get for the second half of a sign-in and for a proof: it also
// reads what NoteDevice and HasShown need. nil is none.
func (s *Service) ForSignIn(ctx context.Context, id models.ID) (*models.User, error) {
	if id.IsZero() {
		return nil, nil
	}
	return s.oneWithDevices(ctx, "id = ?", id)
}

// withDevices is Get with what ForSignIn reads.
func (s *Service) withDevices(ctx context.Context, id models.ID) (*models.User, error) {
	u, err := s.ForSignIn(ctx, id)
	if err == nil && u == nil {
		return nil, ErrNotFound
	}
	return u, err
}

const userColumns = `id, username, username_key, email, email_key, email_verified_at, name, locale,
 password_hash, password_changed_at, roles, token_epoch, session_epoch, sign_ins, last_sign_in_at, disabled_at, erase_at,
 created_at, updated_at`

const (
	findUserSQL  = `SELECT ` + userColumns + ` FROM users WHERE `
	findLoginSQL = `SELECT ` + userColumns + `, (SELECT marks FROM known_devices d WHERE d.user_id = users.id),
 (SELECT known FROM known_devices d WHERE d.user_id = users.id) FROM users WHERE `
)

// one reads the account that a condition on a unique column finds; nil is none.
// The condition is a constant of this room, the value always a parameter. Every
// sign-in, refresh and signed-in page reads an account, so the columns are
// scanned one by one: GORM's reflection would cost more than the query.
func (s *Service) one(ctx context.Context, where string, arg any) (*models.User, error) {
	var u models.User
	return found(&u, s.DB.ReadRow(ctx, findUserSQL+where, arg).Scan(columnsOf(&u)...))
}

// oneWithDevices also reads what NoteDevice and HasShown need, so that a sign-in
// costs no round trip more.
func (s *Service) oneWithDevices(ctx context.Context, where string, arg any) (*models.User, error) {
	var u models.User
	return found(&u, s.DB.ReadRow(ctx, findLoginSQL+where, arg).Scan(append(columnsOf(&u), &u.DeviceMarks, &u.KnownMarks)...))
}

// ProfileColumns are what an account tells of itself, of the row u of users, for a
// statement that another room runs. Where there is no row they are empty.
const ProfileColumns = `u.id, u.username, COALESCE(u.email, ''), u.email_verified_at, COALESCE(u.name, ''), COALESCE(u.roles, ''),
 COALESCE(u.password_hash, ''), u.created_at`

// ProfileFields are where ProfileColumns go.
func ProfileFields(u *models.User) []any {
	return []any{&u.ID, &u.Username, &u.Email, &u.EmailVerifiedAt, &u.Name, &u.Roles, &u.PasswordHash, &u.CreatedAt}
}

func columnsOf(u *models.User) []any {
	return []any{
		&u.ID, &u.Username, &u.UsernameKey, &u.Email, &u.EmailKey, &u.EmailVerifiedAt, &u.Name, &u.Locale,
		&u.PasswordHash, &u.PasswordChangedAt, &u.Roles, &u.TokenEpoch, &u.SessionEpoch, &u.SignIns, &u.LastSignInAt, &u.DisabledAt, &u.EraseAt,
		&u.CreatedAt, &u.UpdatedAt,
	}
}

func found(u *models.User, err error) (*models.User, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, database.Unavailable(err)
	}
	return u, nil
}

// RecordSignIn counts a sign-in in the transaction that starts the session. A
// sign-in and an ending both write this row, so that they cannot both succeed:
// false means that the account was disabled, or that all its sessions were
// ended, since u was read, or that it has a second factor, which no password
// alone may pass. The condition stands in the same statement, so that it costs
// no round trip and a factor added meanwhile counts. The counter makes the
// UPDATE change a column, which MySQL needs to count it. A sign-in also takes
// back that the account is being closed.
//
// proved says that a second factor was shown, or one that counts as two: only
// then an account with a second factor is opened.
func (s *Service) RecordSignIn(tx *gorm.DB, u *models.User, at time.Time, proved bool) (bool, error) {
	query := `UPDATE users SET sign_ins = sign_ins + 1, last_sign_in_at = ?
 WHERE id = ? AND disabled_at IS NULL AND session_epoch = ?`
	if s.Factors.None != "" && !proved {
		query += ` AND ` + s.Factors.None
	}
	res := tx.Exec(query, models.At(at), u.ID, u.SessionEpoch)
	if res.Error != nil || res.RowsAffected != 1 || u.EraseAt.IsZero() {
		return res.RowsAffected == 1, res.Error
	}
	return true, s.keepOpen(tx, u, ownEvent(audit.AccountKept, u.ID, tokens.Client{}))
}

// NeedsVerification reports whether the account may not sign in before its
// address is confirmed. Only operators and imports make such accounts while
// EMAIL_VERIFICATION is "required", besides those from a time when it was not.
func (s *Service) NeedsVerification(u *models.User) bool {
	return s.Config.EmailVerification != VerificationOptional && u.EmailVerifiedAt.IsZero()
}

func (s *Service) now() models.Time { return models.At(s.Clock()) }

// event is an audit event about one account, on the word of by.
func event(action audit.Action, subject models.ID, by tokens.Client) audit.Event {
	return audit.Event{
		Action: action, Outcome: audit.Success, Subject: subject, ClientID: tokens.FirstParty,
		IP: by.IP, UserAgent: by.UserAgent, RequestID: by.RequestID,
	}
}

// ownEvent is an event that the account's owner caused.
func ownEvent(action audit.Action, subject models.ID, by tokens.Client) audit.Event {
	e := event(action, subject, by)
	e.Actor = subject
	return e
}
