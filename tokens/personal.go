package tokens

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/verify"
)

// All tunables of personal tokens.
const (
	personalKind = "personal"
	// PersonalLife is how long a personal token works when nobody says
	// otherwise, and PersonalLongest how long at most: a secret that never ends
	// is one that nobody remembers.
	PersonalLife    = 90 * 24 * time.Hour
	PersonalLongest = 366 * 24 * time.Hour
	// PersonalMost is how many living ones a person may have.
	PersonalMost = 50
	// PersonalAnHour is how many a person may make within an hour.
	PersonalAnHour = 100

	maxPersonalName   = 64
	maxPersonalScopes = 20
	maxPersonalScope  = 40 // so that all of them fit into the column
)

// Why a personal token ended, as the row and the audit record keep it.
const (
	WhyRevoked = "revoked" // by whoever held it (RFC 7009)
)

// Personal owns personal access tokens: what a person hands to a program of
// theirs instead of a password. It can do what its scopes say, no more, and
// never what asks for a fresh proof, because it is none.
type Personal struct {
	deps Deps
	log  *Log
	uses uses
}

func newPersonal(d Deps, log *Log) *Personal {
	return &Personal{deps: d, log: log, uses: newUses(d.Clock)}
}

// personalRow is a token with the admission of its owner, read in one
// statement, so that roles and epochs are of the same moment.
type personalRow struct {
	models.PersonalToken
	AdmittedID models.ID
	Enabled    bool
	Roles      models.Words
	TokenEpoch int64
}

const findPersonalSQL = `SELECT p.id, p.user_id, p.scope, p.created_at, p.expires_at, p.ended_at,
 a.subject, COALESCE(a.enabled, 0), COALESCE(a.roles, ''), COALESCE(a.token_epoch, 0)
 FROM personal_tokens p LEFT JOIN admissions a ON a.subject = p.user_id WHERE p.token_hash = ?`

// find reads the row of a token; nil is none. The read is causal: a token that
// was made, or ended, on another node a moment ago is known here.
func (p *Personal) find(ctx context.Context, token string) (*personalRow, error) {
	hash, ok := personalHash(token)
	if !ok {
		return nil, nil
	}
	var r personalRow
	err := p.deps.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		return tx.Raw(findPersonalSQL, hash).Row().Scan(&r.ID, &r.UserID, &r.Scope, &r.CreatedAt, &r.ExpiresAt, &r.EndedAt,
			&r.AdmittedID, &r.Enabled, &r.Roles, &r.TokenEpoch)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

// personalHash is the key to look a token up by; ok is false for whatever
// cannot be one, before any query.
func personalHash(token string) (hash []byte, ok bool) {
	if !verify.WellFormedPersonal(token) {
		return nil, false
	}
	h, ok := secrets.HashOf(personalKind, token)
	return h.Bytes(), ok
}

// newPersonalSecret makes the text of a token.
func newPersonalSecret() string {
	text := secrets.NewToken(verify.PersonalPrefix).Reveal()
	return text + verify.PersonalChecksum(text)
}

// Introspect implements verify.PersonalSource: who the bearer is now and what
// the token may do, or verify.ErrInactive. The chokepoint is asked at every
// use, and the roles are those of this moment, not those of the day on which
// the token was made.
func (p *Personal) Introspect(ctx context.Context, token string) (*verify.Principal, error) {
	row, err := p.find(ctx, token)
	if err != nil {
		return nil, err
	}
	if row == nil || !row.EndedAt.IsZero() || !p.deps.Clock().Before(row.ExpiresAt.Time) || row.AdmittedID != row.UserID {
		return nil, verify.ErrInactive
	}
	if !p.deps.Admit(ctx, row.subject()).OK {
		return nil, verify.ErrInactive
	}
	return row.principal(p.deps.Config.Audience), nil
}

func (r *personalRow) subject() Subject {
	return Subject{ID: r.UserID, Enabled: r.Enabled, Roles: r.Roles, TokenEpoch: r.TokenEpoch, ClientID: FirstParty}
}

// principal has no session and no time of a proof: whatever asks for a fresh
// one refuses it.
func (r *personalRow) principal(audience string) *verify.Principal {
	return &verify.Principal{
		Subject: r.UserID.String(), Sub: r.UserID, TokenID: r.ID.String(), JTI: r.ID,
		ClientID: FirstParty, Audience: []string{audience}, Personal: true,
		Scope: r.Scope.List(), Roles: r.Roles.List(), AMR: []string{},
		IssuedAt: r.CreatedAt.Truncate(time.Second), ExpiresAt: r.ExpiresAt.Time,
		Generation: r.TokenEpoch, HasGeneration: true, HasClientGeneration: true,
	}
}

const listPersonalSQL = `SELECT id, name, scope, created_at, expires_at, last_used_at, last_used_ip, last_used_via
 FROM personal_tokens WHERE user_id = ? AND ended_at IS NULL AND expires_at > ? ORDER BY created_at DESC, id DESC LIMIT ?`

// List returns the living tokens of a person, the newest first.
func (p *Personal) List(ctx context.Context, user models.ID) ([]models.PersonalToken, error) {
	list := []models.PersonalToken{}
	err := p.deps.DB.Read(ctx).Raw(listPersonalSQL, user, models.At(p.deps.Clock()), PersonalMost).Scan(&list).Error
	return list, database.Unavailable(err)
}

const endPersonalSQL = `UPDATE personal_tokens SET ended_at = ?, ended_why = ?, slot = NULL
 WHERE id = ? AND user_id = ? AND ended_at IS NULL AND expires_at > ?`

// End ends one token of a person, everywhere. The token of another person
// looks like one that is not there: false.
func (p *Personal) End(ctx context.Context, user, id models.ID, why string, by Client) (ended bool, err error) {
	if user.IsZero() || id.IsZero() {
		return false, nil
	}
	err = p.log.Write(ctx, func(tx *gorm.DB) error {
		now := models.At(p.deps.Clock())
		res := tx.Exec(endPersonalSQL, now, why, id, user, now)
		ended = res.Error == nil && res.RowsAffected == 1
		if !ended {
			return res.Error
		}
		// The row itself refuses the token for ever. The entry is for those who
		// remember an answer for a few seconds, so it may be forgotten as soon
		// as that of a session: a year in the log would keep a year of the log.
		if err := p.log.Append(tx, Entry{Kind: EntryToken, Target: id.Bytes()}); err != nil {
			return err
		}
		event := by.event(audit.PersonalEnded, user, models.ID{})
		event.Reason, event.Detail = why, map[string]string{"token": id.String()}
		return p.deps.Audit.Append(tx, event)
	})
	return ended && err == nil, err
}

// EndUser ends every personal token of a person within the transaction of its
// cause. The caller counts the token epoch of the user's row up and appends it
// to the log (Sessions.EndUser does), which ends what others remember of them.
func (p *Personal) EndUser(tx *gorm.DB, user models.ID, why string) error {
	now := models.At(p.deps.Clock())
	return tx.Exec(`UPDATE personal_tokens SET ended_at = ?, ended_why = ?, slot = NULL
 WHERE user_id = ? AND ended_at IS NULL`, now, why, user).Error
}
