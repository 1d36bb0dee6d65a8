package tokens

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// The scopes of our own API that a personal token may have. There is none to
// change a password or a factor, to end sessions or to make tokens: those ask
// for the scope "account", which only a sign-in gives.
const (
	ScopeAccount      = "account"
	ScopeProfileRead  = "profile:read"
	ScopeProfileWrite = "profile:write"
	ScopeSessionsRead = "sessions:read"
)

// PersonalScopes are the scopes of our own API, in the order of the page.
func PersonalScopes() []string {
	return []string{ScopeProfileRead, ScopeProfileWrite, ScopeSessionsRead}
}

// appScope is what other services may ask for: "app:", the name of the
// service, and what it calls the permission.
var appScope = regexp.MustCompile(`^app:[a-z0-9][a-z0-9._-]*(:[a-z0-9][a-z0-9._-]*)*$`)

// NewPersonal is what a person chooses for a token.
type NewPersonal struct {
	Name   string
	Scopes []string
	// ExpiresAt is its end; the zero time is PersonalLife from now.
	ExpiresAt time.Time
}

// MadePersonal is a token the one time it exists in the clear.
type MadePersonal struct {
	Token secrets.Raw
	models.PersonalToken
}

// whyPersonalMade is the kind of the notice to the owner.
const whyPersonalMade = "personal_made"

// Make makes a token. The caller has seen a fresh proof of its owner.
func (p *Personal) Make(ctx context.Context, user models.ID, in NewPersonal, by Client) (MadePersonal, error) {
	row, err := p.read(in)
	if err != nil {
		return MadePersonal{}, err
	}
	text := newPersonalSecret()
	row.ID, row.UserID = models.NewID(), user
	row.TokenHash, _ = personalHash(text)
	if err := p.insert(ctx, row, by); err != nil {
		return MadePersonal{}, err
	}
	return MadePersonal{secrets.NewRaw([]byte(text)), *row}, nil
}

// read checks what was typed.
func (p *Personal) read(in NewPersonal) (*models.PersonalToken, error) {
	now := models.At(p.deps.Clock().Truncate(time.Second))
	row := &models.PersonalToken{Name: strings.TrimSpace(in.Name), CreatedAt: now, ExpiresAt: models.At(in.ExpiresAt.Truncate(time.Second))}
	if in.ExpiresAt.IsZero() {
		row.ExpiresAt = models.At(now.Add(PersonalLife))
	}
	wrong := apperr.New(apperr.Invalid, "validation_failed")
	blame := func(name string, f *apperr.Field) {
		if f != nil {
			wrong = wrong.WithField(name, *f)
		}
	}
	blame("name", wrongName(row.Name))
	scope, f := readScopes(in.Scopes)
	blame("scopes", f)
	blame("expires_at", wrongEnd(row.ExpiresAt.Time, p.deps.Clock()))
	if len(wrong.Fields) > 0 {
		return nil, wrong
	}
	row.Scope = scope
	return row, nil
}

func wrongName(name string) *apperr.Field {
	switch {
	case name == "":
		return &apperr.Field{Reason: "required"}
	case len([]rune(name)) > maxPersonalName:
		return &apperr.Field{Reason: "too_long", Params: map[string]any{"Max": maxPersonalName}}
	case plainText(name, maxPersonalName) != name:
		return &apperr.Field{Reason: "unusable"}
	}
	return nil
}

func wrongEnd(end, now time.Time) *apperr.Field {
	switch {
	case !end.After(now):
		return &apperr.Field{Reason: "in_the_past"}
	case end.Sub(now) > PersonalLongest:
		return &apperr.Field{Reason: "too_far", Params: map[string]any{"Max": int(PersonalLongest.Hours() / 24)}}
	}
	return nil
}

// readScopes sorts the words, so that a list has one spelling.
func readScopes(list []string) (models.Words, *apperr.Field) {
	words := slices.Clone(list)
	slices.Sort(words)
	words = slices.Compact(words)
	if len(words) == 0 {
		return "", &apperr.Field{Reason: "required"}
	}
	if len(words) > maxPersonalScopes {
		return "", &apperr.Field{Reason: "too_many", Params: map[string]any{"Max": maxPersonalScopes}}
	}
	for _, w := range words {
		if len(w) > maxPersonalScope || !slices.Contains(PersonalScopes(), w) && !appScope.MatchString(w) {
			return "", &apperr.Field{Reason: "unknown_scope"}
		}
	}
	return models.JoinWords(words), nil
}

// slotRounds bounds how often a free slot is chosen anew because a rival took
// it; each time, one of them has made a token.
const slotRounds = 16

// insert writes the row into a free slot of its owner. Counting rows would let
// two requests at once pass the bound; the unique key lets one of them win.
func (p *Personal) insert(ctx context.Context, row *models.PersonalToken, by Client) (err error) {
	for range slotRounds {
		err = p.deps.DB.Write(ctx, func(tx *gorm.DB) error { return p.insertOnce(tx, row, by) })
		if !database.IsDuplicate(err) {
			return err
		}
	}
	return apperr.NotNow(time.Second, err)
}

func (p *Personal) insertOnce(tx *gorm.DB, row *models.PersonalToken, by Client) error {
	if err := p.judge(tx, row.UserID); err != nil {
		return err
	}
	if err := p.pace(tx, row); err != nil {
		return err
	}
	slot, err := freeSlot(tx, row)
	if err != nil {
		return err
	}
	row.Slot = &slot
	if err := tx.Create(row).Error; err != nil {
		return err
	}
	event := by.event(audit.PersonalMade, row.UserID, models.ID{})
	event.Detail = map[string]string{"token": row.ID.String(), "scope": string(row.Scope)}
	if err := p.deps.Audit.Append(tx, event); err != nil || p.deps.Alarm == nil {
		return err
	}
	// A session that was left open, or stolen with a proof that is fresh, makes
	// itself an entrance that outlives it: the owner hears of it (security rule 12).
	return p.deps.Alarm(tx, row.UserID, whyPersonalMade)
}

// judge asks the chokepoint about the owner (security rule 1).
func (p *Personal) judge(tx *gorm.DB, user models.ID) error {
	var s Subject
	err := tx.Raw(`SELECT subject AS id, enabled, roles, token_epoch, session_epoch FROM admissions WHERE subject = ?`, user).Scan(&s).Error
	if err != nil {
		return err
	}
	s.ClientID = FirstParty
	return judge(tx.Statement.Context, p.deps.Admit, s)
}

// pace bounds how many tokens a person makes within an hour, ended ones
// included. Making one and ending it leaves two lines in the record for ever
// and one in the revocation log, which every service holds in memory: without a
// bound one account fills both (ASVS 5.0, 2.4.1).
func (p *Personal) pace(tx *gorm.DB, row *models.PersonalToken) error {
	var made int64
	err := tx.Raw(`SELECT COUNT(*) FROM personal_tokens WHERE user_id = ? AND created_at > ?`,
		row.UserID, models.At(row.CreatedAt.Add(-time.Hour))).Scan(&made).Error
	if err == nil && made >= PersonalAnHour {
		err = apperr.Throttle("too_many_attempts", time.Hour)
	}
	return err
}

// freeSlot chooses one at random, so that rivals rarely meet. Slots of expired
// tokens are free.
func freeSlot(tx *gorm.DB, row *models.PersonalToken) (int64, error) {
	err := tx.Exec(`UPDATE personal_tokens SET slot = NULL WHERE user_id = ? AND slot IS NOT NULL AND expires_at <= ?`,
		row.UserID, row.CreatedAt).Error
	if err != nil {
		return 0, err
	}
	var taken []int64
	if err := tx.Raw(`SELECT slot FROM personal_tokens WHERE user_id = ? AND slot IS NOT NULL`, row.UserID).Scan(&taken).Error; err != nil {
		return 0, err
	}
	var free []int64
	for slot := range int64(PersonalMost) {
		if !slices.Contains(taken, slot) {
			free = append(free, slot)
		}
	}
	if len(free) == 0 {
		return 0, apperr.New(apperr.Conflict, "too_many_tokens").
			WithField("name", apperr.Field{Reason: "too_many_tokens", Params: map[string]any{"Max": PersonalMost}})
	}
	return free[int(secrets.Random(1)[0])%len(free)], nil
}
