package signin

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/models"
	"gatehouse/tokens"
)

// Recent reports whether a proof of authTime is still fresh enough at now. It
// is the one rule of "RequireRecent" (security rule 12).
func Recent(authTime, now time.Time, limit time.Duration) bool {
	age := now.Sub(authTime)
	return !authTime.IsZero() && age <= limit && age >= -limit
}

// Reauth has the person of a session prove again who they are. It shares the
// counters of SignIn, so that a stolen session is no way around them, and it
// raises the auth_time of the session.
func (f *Flow) Reauth(ctx context.Context, user, session models.ID, secret string, by tokens.Client) (tokens.Proof, error) {
	proof, _, err := f.reauth(ctx, reproof{user: user, session: session}, secret, by)
	return proof, err
}

// ReauthBrowser is Reauth for a browser, whose session goes on under another
// cookie (security rule 9; ASVS 5.0, 7.2.4): a cookie that was stolen before
// the proof must not profit from it.
func (f *Flow) ReauthBrowser(ctx context.Context, old *tokens.Session, secret string, by tokens.Client) (tokens.Proof, tokens.Started, error) {
	return f.reauth(ctx, reproof{old.UserID, old.ID, old}, secret, by)
}

// reproof is whose session wants a fresh proof.
type reproof struct {
	user, session models.ID
	browser       *tokens.Session // nil is a program, which has no cookie
}

func (f *Flow) reauth(ctx context.Context, r reproof, secret string, by tokens.Client) (tokens.Proof, tokens.Started, error) {
	if secret == "" {
		return tokens.Proof{}, tokens.Started{}, apperr.InvalidField("password", "required")
	}
	refund, err := f.takeNetwork(by.IP)
	if err != nil {
		return tokens.Proof{}, tokens.Started{}, err
	}
	u, err := f.Accounts.Get(ctx, r.user)
	if err != nil {
		return tokens.Proof{}, tokens.Started{}, err
	}
	t := try{method: f.password, user: u, secret: secret, by: by}
	s, verdict, err := f.look(ctx, audit.Reauth, t, refund)
	if err == nil {
		// A proof must not be weaker than a sign-in (security rule 12).
		err = f.enough(ctx, audit.Reauth, t, s, verdict)
	}
	if err != nil {
		return tokens.Proof{}, tokens.Started{}, err
	}
	return f.reprove(ctx, r, t, s)
}

func (f *Flow) reprove(ctx context.Context, r reproof, t try, s slot) (tokens.Proof, tokens.Started, error) {
	now := f.Clock()
	var started tokens.Started
	err := f.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		started, err = f.writeProof(tx, r, t, s, now)
		return err
	})
	if err != nil {
		f.throttle.giveBack(ctx, s) // the secret was right, the session is not there
		return tokens.Proof{}, tokens.Started{}, err
	}
	return tokens.Proof{User: t.user.ID, Session: r.session, At: now, AAL: acrPassword}, started, nil
}

func (f *Flow) writeProof(tx *gorm.DB, r reproof, t try, s slot, now time.Time) (started tokens.Started, err error) {
	if err := f.throttle.forgive(tx, s); err != nil {
		return started, err
	}
	if err := f.Tokens.Sessions.Reprove(tx, r.session, now, acrPassword, []string{t.method.AMR()}); err != nil {
		return started, err
	}
	if r.browser != nil {
		if started, err = f.Tokens.Sessions.NewCookie(tx, r.browser); err != nil {
			return started, err
		}
		started.Session.AuthTime = models.At(now)
	}
	e := t.event(audit.Reauth)
	e.Actor, e.Session = t.user.ID, r.session
	return started, f.Audit.Append(tx, e)
}
