package signin

import (
	"context"
	"errors"
	"strings"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/tokens"
)

// opening is a sign-in whose secret was right, on its way to a session.
type opening struct {
	in Input
	try
	slot    slot
	verdict Verdict
	shown   progress
	attempt *models.SignInAttempt // nil in the first step
	held    Held                  // as far as it was read
	trust   *models.TrustedDevice // stands in for the second factor; nil is none
}

// Why a transaction undid itself. Nothing in it had to be kept.
var (
	// errGone means that the account has a second factor that was not shown, or
	// that it was disabled or all its sessions were ended between its reading
	// and the transaction.
	errGone = errors.New("signin: the account is not as it was read")
	// errClaimed means that what works once was used up by somebody else.
	errClaimed = errors.New("signin: used up by another try")
)

// started is what the transaction of a sign-in made.
type started struct {
	session tokens.Started
	refresh tokens.RefreshToken
	access  tokens.Pending
}

// open turns what was shown into a session, in one transaction: what works
// once, the attempt, the user's row (which every ending writes too), the
// session, the refresh family of a program, the record, the counter. After a
// password alone, with the reading of the account and the slot before it, that
// is eight round trips on MySQL in a known browser.
func (f *Flow) open(ctx context.Context, o opening) (Result, error) {
	now := f.Clock()
	begin := tokens.SignIn{
		Subject: accounts.SubjectOf(o.user), ClientID: tokens.FirstParty, AuthTime: now, ACR: o.shown.acr(), AMR: o.shown.values(),
		Client: o.in.Client, Web: o.in.Web, Data: o.in.Data, Old: o.in.Anonymous,
	}
	var done started
	err := f.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		done, err = f.write(tx, o, begin)
		return err
	})
	if err != nil {
		return Result{}, f.undone(ctx, o, err)
	}
	f.renew(ctx, o.verdict)
	o.user.SignIns++
	o.user.LastSignInAt = models.At(now)
	res, err := f.result(o.in, o.user, done)
	res.Held, res.Browser = o.held, accounts.KeptBrowser(o.user, o.in.Client)
	return res, err
}

// renew brings a hash up to date. A full queue leaves the old one for the next
// sign-in.
func (f *Flow) renew(ctx context.Context, v Verdict) {
	if v.Renew != nil {
		_ = v.Renew(ctx)
	}
}

// undone turns what stopped a transaction into an answer. A try that came
// second at a code stays counted: it is how a code that was overheard is used.
func (f *Flow) undone(ctx context.Context, o opening, err error) error {
	if errors.Is(err, errClaimed) {
		return f.refuse(ctx, audit.SignIn, o.try, o.verdict.why(o.method))
	}
	if errors.Is(err, errGone) || errors.Is(err, errDistrusted) {
		return err // the sign-in may go on, and its slot is given back at its end
	}
	f.throttle.giveBack(ctx, o.slot) // the secret was right
	if ErrAttempt.Is(err) {
		return f.refuse(ctx, audit.SignIn, o.try, ErrAttempt)
	}
	return err
}

// claim uses up what works once.
func (o opening) claim(tx *gorm.DB) error {
	if o.verdict.Claim == nil {
		return nil
	}
	ok, err := o.verdict.Claim(tx)
	if err == nil && !ok || o.verdict.First && database.IsDuplicate(err) {
		err = errClaimed
	}
	return err
}

// alone lets one of two sign-ins of an account win that each made a factor: the
// password alone must not add one beside another. It runs after the user's row was
// written, which the other writes too, and so sees what that one has committed.
func (o opening) alone(tx *gorm.DB) error {
	if !o.verdict.First {
		return nil
	}
	var h Held
	err := tx.Raw(heldSQL, o.user.ID, o.user.ID, o.user.ID).Row().Scan(&h.TOTP, &h.Passkeys, &h.RecoveryCodes)
	if err == nil && h.TOTP+h.Passkeys != 1 {
		err = errClaimed
	}
	return err
}

func (f *Flow) write(tx *gorm.DB, o opening, in tokens.SignIn) (done started, err error) {
	if err := o.claim(tx); err != nil {
		return started{}, err
	}
	if err := f.finish(tx, o.attempt); err != nil {
		return started{}, err
	}
	if err := f.useTrust(tx, o.trust); err != nil {
		return started{}, err
	}
	ok, err := f.Accounts.RecordSignIn(tx, o.user, in.AuthTime, o.shown.complete || o.trust != nil)
	if err == nil && !ok {
		err = errGone
	}
	if err == nil {
		err = o.alone(tx)
	}
	if err != nil {
		return started{}, err
	}
	if done.session, err = f.Tokens.Sessions.Start(tx, in); err != nil {
		return started{}, err
	}
	if !in.Web {
		if err := f.tokens(tx, in, &done); err != nil {
			return started{}, err
		}
	}
	if err := f.Audit.Append(tx, o.event(audit.SignIn, done.session.ID)); err != nil {
		return started{}, err
	}
	if o.verdict.Notice != "" {
		if err := f.Accounts.TellOfFactor(tx, o.user, o.verdict.Notice, o.method.Name(), o.by); err != nil {
			return started{}, err
		}
	}
	if err := f.trust(tx, o); err != nil {
		return started{}, err
	}
	if err := f.Accounts.NoteDevice(tx, o.user, o.shown.remembered(), o.in.Client); err != nil {
		return started{}, err
	}
	return done, f.throttle.forgive(tx, o.slot)
}

// event is the record of a success; its detail names every method.
func (o opening) event(action audit.Action, session models.ID) audit.Event {
	e := o.try.event(action)
	e.Actor, e.Session = o.user.ID, session
	e.Detail = map[string]string{"method": strings.Join(o.shown.done, " ")}
	if o.trust != nil {
		e.Detail["device"] = "trusted"
	}
	return e
}

// tokens makes what a program gets. The times of the access token are fixed
// here, before the commit, and it is signed after it.
func (f *Flow) tokens(tx *gorm.DB, in tokens.SignIn, done *started) (err error) {
	done.access = f.Tokens.Access.Prepare(tokens.Grant{
		Subject: in.Subject, SessionID: done.session.ID, ClientID: in.ClientID, Scope: tokens.FirstPartyScope(),
		AuthTime: in.AuthTime, ACR: in.ACR, AMR: in.AMR,
	})
	done.refresh, err = f.Tokens.Refresh.Issue(tx, done.session.ID, in.Subject.ID, in.ClientID, tokens.FirstPartyScope())
	return err
}

func (f *Flow) result(in Input, u *models.User, done started) (Result, error) {
	res := Result{User: u, Session: done.session}
	if in.Web {
		return res, nil
	}
	access, err := done.access.Sign()
	if err != nil {
		return Result{}, err
	}
	res.Access, res.Refresh = &access, &done.refresh
	return res, nil
}

// ErrAttempt is the answer for a sign-in that has taken too long, is finished,
// or was ended by a change of the password.
var ErrAttempt = apperr.New(apperr.Unauthenticated, "attempt_ended")
