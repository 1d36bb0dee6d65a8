package signin

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/models"
	"gatehouse/tokens"
)

// start turns a right secret into a session, in one transaction: the user's
// row (which every ending writes too), the session, the refresh family of a
// program, the record, the counter. With the reading of the account and the
// slot before it, that is nine round trips on MySQL.
func (f *Flow) start(ctx context.Context, in Input, t try, s slot, v Verdict) (Result, error) {
	subject, now := accounts.SubjectOf(t.user), f.Clock()
	begin := tokens.SignIn{
		Subject: subject, ClientID: tokens.FirstParty, AuthTime: now, ACR: acrPassword, AMR: []string{t.method.AMR()},
		Client: in.Client, Web: in.Web, Data: in.Data, Old: in.Anonymous,
	}
	var done started
	err := f.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		if done, err = f.write(tx, t, s, begin); err == nil && !done.gone {
			err = f.Accounts.NoteDevice(tx, t.user, in.Device, in.Client)
		}
		return err
	})
	if err == nil && done.gone {
		if err := f.enough(ctx, audit.SignIn, t, s, v); err != nil {
			return Result{}, err
		}
	}
	if err != nil || done.gone {
		f.throttle.giveBack(ctx, s) // the secret was right
	}
	if err != nil {
		return Result{}, err
	}
	if done.gone {
		return Result{}, f.refuse(ctx, audit.SignIn, t, ErrCredentials)
	}
	if v.Renew != nil {
		// A full queue leaves the old hash for the next sign-in.
		_ = v.Renew(ctx)
	}
	t.user.SignIns++
	t.user.LastSignInAt = models.At(now)
	return f.result(in, t.user, done)
}

// started is what the transaction of a sign-in made.
type started struct {
	session tokens.Started
	refresh tokens.RefreshToken
	access  tokens.Pending
	// gone means that the account has a second factor, or that it was
	// disabled or all its sessions were ended between its reading and this
	// transaction. Nothing was started.
	gone bool
}

func (f *Flow) write(tx *gorm.DB, t try, s slot, in tokens.SignIn) (done started, err error) {
	ok, err := f.Accounts.RecordSignIn(tx, t.user, in.AuthTime)
	if err != nil || !ok {
		return started{gone: !ok}, err
	}
	if done.session, err = f.Tokens.Sessions.Start(tx, in); err != nil {
		return started{}, err
	}
	if !in.Web {
		if err := f.tokens(tx, in, &done); err != nil {
			return started{}, err
		}
	}
	e := t.event(audit.SignIn)
	e.Actor, e.Session = t.user.ID, done.session.ID
	if err := f.Audit.Append(tx, e); err != nil {
		return started{}, err
	}
	return done, f.throttle.forgive(tx, s)
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
