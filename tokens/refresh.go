package tokens

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/keys"
	"gatehouse/models"
)

// RefreshToken is a refresh token as it is handed to its client, once.
type RefreshToken struct {
	Token     secrets.Raw
	ExpiresAt time.Time // when it ends if it is not used: the idle or the absolute end
}

// Refreshed is the answer to a refresh.
type Refreshed struct {
	Access    AccessToken
	Refresh   RefreshToken
	User      models.ID
	SessionID models.ID
	Scope     []string
	// Person is the value that Beside made; nil without one.
	Person any
	// Repeated says that the token had been used before, within the retry
	// window, and that the current token was given again.
	Repeated bool
}

// The refusals of Rotate, both of kind Unauthenticated. Their OAuth error is
// "invalid_grant" (RFC 6749, section 5.2) in both cases: middleware writes it
// for the reason "invalid_grant" without a reason of its own, and for the
// reason "refresh_reused" with that one beside it. More is not told to whoever
// presents a token; the audit row has the exact reason.
var (
	ErrInvalidGrant  = apperr.New(apperr.Unauthenticated, "invalid_grant")
	ErrRefreshReused = apperr.New(apperr.Unauthenticated, "refresh_reused")
)

// whyReused is the reason that the rows of a family and a session keep after a
// theft, the subject of the alarm and the reason of the error.
const whyReused = "refresh_reused"

// Refresh issues and rotates refresh tokens. A family is one row, however
// often it rotates; the database holds hashes only.
type Refresh struct {
	db      *database.DB
	keys    *keys.Ring
	audit   *audit.Log
	clock   func() time.Time
	log     *slog.Logger
	admit   AdmitFunc
	alarm   func(tx *gorm.DB, user models.ID, what string) error
	limits  *ratelimit.Limits
	config  Config
	access  *Access
	ended   *Log
	group   *rotations
	beside  Beside
	findSQL string // the one read of every refresh
	// garbage bounds how many audit rows strangers can cause with tokens that
	// are not ours, which cost them nothing to make up.
	garbage *ratelimit.Limiter
}

func newRefresh(d Deps, a *Access, l *Log) *Refresh {
	r := &Refresh{
		db: d.DB, keys: d.Keys, audit: d.Audit, clock: d.Clock, log: d.Log, admit: d.Admit, alarm: d.Alarm,
		limits: d.Limits, config: d.Config, access: a, ended: l, garbage: ratelimit.New(d.Clock, 1),
	}
	r.beside, r.findSQL = d.Beside, findFamily(d.Beside)
	r.group = &rotations{refresh: r}
	return r
}

func (r *Refresh) key() refreshKey { return r.keys.MACKey("refresh") }

// Issue starts a family for a session, in the transaction that starts it.
func (r *Refresh) Issue(tx *gorm.DB, sessionID, user models.ID, clientID string, scope []string) (RefreshToken, error) {
	clientID = orFirstParty(clientID)
	if len(scope) == 0 && clientID == FirstParty {
		scope = FirstPartyScope()
	}
	now := r.clock()
	absolute := now.Add(r.config.RefreshTTL)
	first := r.key().token(models.NewID(), 1, secrets.Random(refreshSecret))
	row := models.RefreshFamily{
		ID: first.family, SessionID: sessionID, UserID: user, ClientID: clientID,
		Scope: models.JoinWords(scope), Audience: r.config.Audience,
		Generation: 1, CurHash: first.hash[:],
		CreatedAt: models.At(now), IdleUntil: r.expires(now, absolute), AbsoluteUntil: models.At(absolute),
	}
	if err := tx.Create(&row).Error; err != nil {
		return RefreshToken{}, err
	}
	return RefreshToken{Token: secrets.NewRaw(first.text), ExpiresAt: row.IdleUntil.Time}, nil
}

func orFirstParty(clientID string) string {
	if clientID == "" {
		return FirstParty
	}
	return clientID
}

// rotateRounds bounds how often a request decides again because a rival
// changed the row; each round, some rival has made progress.
const rotateRounds = 4

var errRounds = errors.New("tokens: a refresh family kept changing while its token was exchanged")

// attempt is one look at a presented token.
type attempt struct {
	token   refreshToken
	row     *familyRow
	line    line
	now     time.Time
	verdict verdict
	from    int    // repeat: where the token stands in line.recent
	why     string // refuse: for the audit row
	by      Client
	signer  keys.Signer // of before the family was read
	log     models.ID   // likewise
}

func (a attempt) grant() Grant {
	g := a.row.grant()
	g.signer = a.signer
	return g
}

// Rotate exchanges a refresh token for its successor and an access token. A
// token that was exchanged within the retry window is answered with the
// current token of the family, so that lost answers and second tabs do no
// harm; one that was exchanged earlier ends family and session. Refusals are
// ErrInvalidGrant and ErrRefreshReused; throttled is "too_many_attempts".
func (r *Refresh) Rotate(ctx context.Context, raw, clientID string, by Client) (Refreshed, error) {
	token, ok := r.key().parse(raw)
	if !ok {
		return Refreshed{}, r.refuseGarbage(ctx, by)
	}
	// The tag of the token is ours, so that nobody else can use up the limit of a
	// family. Each exchange is a line in the record, which is kept for ever.
	if err := r.limits.Take(ctx, ratelimit.Refresh, token.family.String()); err != nil {
		return Refreshed{}, err
	}
	// Every verdict but "rotate" rests on a causal read: on a lagging node an
	// honest token would look like one of the future.
	causal := r.db.Dialect() == database.SQLite
	for range rotateRounds {
		a, err := r.look(ctx, token, orFirstParty(clientID), causal)
		if err != nil {
			return Refreshed{}, err
		}
		a.by = by
		if a.verdict != rotate {
			if causal {
				return r.answer(ctx, a)
			}
			causal = true
			continue
		}
		answer, won, err := r.rotate(ctx, a)
		if won || err != nil {
			return answer, err
		}
		causal = true
	}
	return Refreshed{}, apperr.NotNow(time.Second, errRounds)
}

// look reads the family once and decides. The chokepoint is asked on every
// path, before anything about the line is.
func (r *Refresh) look(ctx context.Context, token refreshToken, clientID string, causal bool) (attempt, error) {
	a := attempt{token: token, now: r.clock(), signer: r.keys.Signer()}
	at, _ := r.ended.position()
	row, err := r.find(ctx, token.family, causal)
	a.row, a.log = row, at.logID
	switch {
	case err != nil:
		return a, err
	case row == nil:
		a.why = "unknown_family"
		return a, nil
	case row.ClientID != clientID:
		a.why = "other_client"
		return a, nil
	}
	if a.why = row.ended(a.now); a.why != "" {
		return a, nil
	}
	if v := r.admit(ctx, row.subject()); !v.OK {
		a.why = v.Reason
		return a, nil
	}
	if a.line, err = row.line(); err == nil {
		a.verdict, a.from = a.line.judge(token.generation, token.hash, a.now, r.config.RetryWindow)
	}
	return a, err
}

// answer carries out every verdict but rotate.
func (r *Refresh) answer(ctx context.Context, a attempt) (Refreshed, error) {
	switch a.verdict {
	case repeat:
		return r.repeat(ctx, a)
	case reused:
		return Refreshed{}, r.endStolen(ctx, a)
	case throttle:
		oldest := a.line.within(a.now, r.config.RetryWindow)[0].at
		return Refreshed{}, apperr.Throttle("too_many_attempts", max(r.config.RetryWindow-a.now.Sub(oldest), time.Second))
	case future:
		return Refreshed{}, r.fromTheFuture(ctx, a)
	}
	return Refreshed{}, r.refuse(ctx, a)
}

// rotate exchanges the newest token. The times of the access token are fixed
// before the conditional UPDATE and it is signed after the commit: issuing and
// ending write the same row, so that they cannot both succeed.
func (r *Refresh) rotate(ctx context.Context, a attempt) (answer Refreshed, won bool, err error) {
	x := r.exchange(a.row, a.token, a.line, a.now)
	lines, err := r.lines(a)
	if err != nil {
		return Refreshed{}, false, err
	}
	pending := r.access.Prepare(a.row.grant())
	won, err = r.commit(ctx, &rotation{exchange: x, row: a.row, token: a.token, lines: lines})
	if err != nil || !won {
		return Refreshed{}, false, err
	}
	answer, err = a.row.refreshed(pending, x.next, x.idle)
	return answer, true, err
}

// commit writes a rotation with its audit row, or nothing when it lost its race.
func (r *Refresh) commit(ctx context.Context, n *rotation) (won bool, err error) {
	if r.db.Dialect() == database.MySQL {
		return r.group.commit(ctx, n)
	}
	err = r.db.Write(ctx, func(tx *gorm.DB) error {
		won, err = n.write(tx, n.row, n.token)
		if err != nil || !won {
			return err
		}
		return audit.AppendAll(tx, n.lines)
	})
	return won && err == nil, err
}

// lines are the audit row of a rotation.
func (r *Refresh) lines(a attempt) ([]audit.Line, error) {
	line, err := r.audit.Prepare(a.event(audit.RefreshRotated, audit.Success, ""))
	return []audit.Line{line}, err
}

// repeat gives the current token again. It is derived from the one presented,
// through the salts of the generations between; nothing in the database changes.
func (r *Refresh) repeat(ctx context.Context, a attempt) (Refreshed, error) {
	current := a.token
	for _, u := range a.line.recent[a.from:] {
		current = r.key().successor(current, u.salt[:])
	}
	if !secrets.Equal(current.hash[:], a.line.hash[:]) {
		return Refreshed{}, r.fromTheFuture(ctx, a)
	}
	pending := r.access.Prepare(a.grant())
	if err := r.audit.Record(ctx, a.event(audit.RefreshRepeated, audit.Success, "")); err != nil {
		return Refreshed{}, err
	}
	answer, err := a.row.refreshed(pending, current, a.row.IdleUntil)
	answer.Repeated = err == nil
	return answer, err
}

func (f *familyRow) refreshed(p Pending, t refreshToken, expires models.Time) (Refreshed, error) {
	signed, err := p.Sign()
	if err != nil {
		return Refreshed{}, err
	}
	return Refreshed{
		Access:  signed,
		Refresh: RefreshToken{Token: secrets.NewRaw(t.text), ExpiresAt: expires.Time},
		User:    f.UserID, SessionID: f.SessionID, Scope: f.Scope.List(), Person: f.person,
	}, nil
}
