package signin

import (
	"context"
	"errors"
	"slices"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/tokens"
)

// An attempt is half a sign-in. Its handle is no session and no token: nothing
// but Continue takes it (security rule 10).
const (
	attemptTTL    = 10 * time.Minute
	attemptPrefix = "gh_si_"
)

// Step is the next factor of a sign-in that has begun.
type Step struct {
	Attempt  string // the handle
	Method   string
	Secret   string
	Response any
	Web      bool
	Client   tokens.Client
	// Anonymous is the session in which the browser kept the attempt; it dies.
	Anonymous *tokens.Session
	Data      []byte // of the new session
	Trust     bool   // see Input
}

// half keeps a sign-in whose first factor was right, in one transaction with
// the end of its counter: that was no wrong try, even when nobody goes on.
func (f *Flow) half(ctx context.Context, o opening, next []string) (Result, error) {
	row, handle := f.newAttempt(o)
	res := Result{Next: next, Attempt: handle}
	err := f.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		res.Session, err = f.writeHalf(tx, o, row, handle)
		return err
	})
	if err != nil {
		return Result{}, f.undone(ctx, o, err)
	}
	f.renew(ctx, o.verdict)
	return res, nil
}

func (f *Flow) newAttempt(o opening) (*models.SignInAttempt, secrets.Raw) {
	handle, now := secrets.NewToken(attemptPrefix), f.Clock()
	hash, _ := attemptHash(handle.Reveal())
	row := &models.SignInAttempt{
		ID: models.NewID(), UserID: o.user.ID, HandleHash: hash, Done: models.JoinWords(o.shown.done), AMR: models.JoinWords(o.shown.amr),
		Web: flag(o.in.Web), MustChange: flag(o.verdict.MustChange), SessionEpoch: o.user.SessionEpoch,
		CreatedAt: models.At(now), ExpiresAt: models.At(now.Add(attemptTTL)),
	}
	return row, handle
}

func (f *Flow) writeHalf(tx *gorm.DB, o opening, row *models.SignInAttempt, handle secrets.Raw) (held tokens.Started, err error) {
	if err := o.claim(tx); err != nil {
		return held, err
	}
	if err := tx.Create(row).Error; err != nil {
		return held, err
	}
	if o.in.Web && o.in.Half != nil {
		held, err = f.Tokens.Sessions.HoldAnonymous(tx, o.in.Half(handle), o.in.Anonymous, o.in.Client)
		if err != nil {
			return held, err
		}
	}
	if err := f.Audit.Append(tx, o.event(audit.SignInStep, models.ID{})); err != nil {
		return held, err
	}
	return held, f.throttle.forgive(tx, o.slot)
}

func attemptHash(handle string) ([]byte, bool) {
	if len(handle) != len(attemptPrefix)+43 || handle[:len(attemptPrefix)] != attemptPrefix {
		return nil, false
	}
	h, ok := secrets.HashOf("attempt", handle)
	return h.Bytes(), ok
}

// waiting reads a live attempt and whose it is; ErrAttempt for everything else.
// web keeps the attempt of a browser, whose handle never leaves the server, and
// that of a program apart.
func (f *Flow) waiting(ctx context.Context, handle string, web bool) (*models.SignInAttempt, *models.User, error) {
	hash, ok := attemptHash(handle)
	if !ok {
		return nil, nil, ErrAttempt
	}
	var row models.SignInAttempt
	err := f.DB.Read(ctx).Where("handle_hash = ?", hash).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil, ErrAttempt
	}
	if err != nil {
		return nil, nil, database.Unavailable(err)
	}
	if !row.FinishedAt.IsZero() || !f.Clock().Before(row.ExpiresAt.Time) || row.Web != flag(web) {
		return nil, nil, ErrAttempt
	}
	u, err := f.Accounts.ForSignIn(ctx, row.UserID)
	if err != nil {
		return nil, nil, err
	}
	if u == nil || u.SessionEpoch != row.SessionEpoch {
		return nil, nil, ErrAttempt
	}
	return &row, u, nil
}

// Waiting is what a page or a ceremony may know of half a sign-in.
type Waiting struct {
	ID   models.ID
	User *models.User
	Next []string
}

// Waiting tells which methods a sign-in may go on with. It changes nothing.
func (f *Flow) Waiting(ctx context.Context, handle string, web bool) (Waiting, error) {
	row, u, err := f.waiting(ctx, handle, web)
	if err != nil {
		return Waiting{}, err
	}
	next, err := f.next(ctx, u, f.shownIn(row))
	return Waiting{ID: row.ID, User: u, Next: next}, err
}

// shownIn is the progress that an attempt remembers.
func (f *Flow) shownIn(row *models.SignInAttempt) progress {
	p := progress{done: row.Done.List(), amr: row.AMR.List()}
	for _, name := range p.done {
		if m := f.method(name); m != nil {
			p.factors = appendOnce(p.factors, m.Factor())
		}
	}
	return p
}

// Continue takes the second factor of a sign-in that has begun.
func (f *Flow) Continue(ctx context.Context, in Step) (Result, error) {
	res, err := f.proceed(ctx, in)
	f.Metrics.SignIn(outcome(res, err))
	return res, err
}

func (f *Flow) proceed(ctx context.Context, in Step) (Result, error) {
	if in.Secret == "" && in.Response == nil {
		return Result{}, apperr.InvalidField("code", "required")
	}
	refund, err := f.takeNetwork(ctx, in.Client.IP)
	if err != nil {
		return Result{}, err
	}
	row, u, err := f.waiting(ctx, in.Attempt, in.Web)
	if err != nil {
		return Result{}, err
	}
	a, err := f.account(ctx, u)
	if err != nil {
		return Result{}, err
	}
	shown := f.shownIn(row)
	next, err := f.ask(ctx, a, shown)
	if err != nil {
		return Result{}, err
	}
	m := f.method(in.Method)
	if m == nil || !slices.Contains(next, in.Method) {
		return Result{}, ErrNotNext
	}
	t := try{method: m, user: u, by: in.Client, offer: Offer{
		User: u, Secret: in.Secret, Response: in.Response, Attempt: row.ID, Browser: idOf(in.Anonymous),
	}}
	s, verdict, err := f.look(ctx, audit.SignIn, t, refund)
	if err != nil {
		return Result{}, err
	}
	return f.complete(ctx, opening{in: in.input(), try: t, slot: s, verdict: verdict, shown: shown.with(m, verdict), attempt: row, held: a.Held})
}

// ErrNotNext is the answer for a method that this account does not have, or that
// was shown already.
var ErrNotNext = apperr.New(apperr.Conflict, "method_not_next")

func (in Step) input() Input {
	return Input{Web: in.Web, Client: in.Client, Anonymous: in.Anonymous, Data: in.Data, Trust: in.Trust}
}

// complete ends an attempt with a session, or with the page on which a password
// is changed that opens nothing any more.
func (f *Flow) complete(ctx context.Context, o opening) (Result, error) {
	if o.attempt.MustChange != 0 {
		return f.changeFirst(ctx, o)
	}
	res, err := f.open(ctx, o)
	if errors.Is(err, errGone) {
		f.throttle.giveBack(ctx, o.slot)
		return Result{}, f.refuse(ctx, audit.SignIn, o.try, ErrAttempt)
	}
	return res, err
}

func (f *Flow) changeFirst(ctx context.Context, o opening) (Result, error) {
	err := f.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := o.claim(tx); err != nil {
			return err
		}
		if err := f.finish(tx, o.attempt); err != nil {
			return err
		}
		if err := f.Audit.Append(tx, o.try.refusal(audit.SignIn, ErrMustChange)); err != nil {
			return err
		}
		return f.throttle.forgive(tx, o.slot)
	})
	if err != nil {
		return Result{}, f.undone(ctx, o, err)
	}
	return Result{User: o.user}, ErrMustChange
}

// finish uses an attempt up; nil is a sign-in of one step. The row count
// decides which of two completions it was (security rule 2).
func (f *Flow) finish(tx *gorm.DB, row *models.SignInAttempt) error {
	if row == nil {
		return nil
	}
	now := models.At(f.Clock())
	res := tx.Exec(`UPDATE signin_attempts SET finished_at = ? WHERE id = ? AND finished_at IS NULL AND expires_at > ?`, now, row.ID, now)
	if res.Error == nil && res.RowsAffected == 0 {
		return ErrAttempt
	}
	return res.Error
}

// trimAttempts deletes in bounded batches what nobody can complete any more.
func (f *Flow) trimAttempts(ctx context.Context) error {
	for {
		now := models.At(f.Clock())
		var ids []models.ID
		err := f.DB.Read(ctx).Model(&models.SignInAttempt{}).Where("expires_at <= ?", now).Limit(trimBatch).Pluck("id", &ids).Error
		if err != nil {
			return database.Unavailable(err)
		}
		err = f.DB.Write(ctx, func(tx *gorm.DB) error {
			for _, id := range ids {
				if err := tx.Exec(`DELETE FROM signin_attempts WHERE id = ?`, id).Error; err != nil {
					return err
				}
			}
			return tx.Exec(`DELETE FROM totp_enrolments WHERE expires_at <= ?`, now).Error
		})
		if err != nil || len(ids) < trimBatch {
			return err
		}
	}
}
