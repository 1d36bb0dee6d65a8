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
	if secret == "" {
		return tokens.Proof{}, apperr.InvalidField("password", "required")
	}
	refund, err := f.takeNetwork(by.IP)
	if err != nil {
		return tokens.Proof{}, err
	}
	u, err := f.Accounts.Get(ctx, user)
	if err != nil {
		return tokens.Proof{}, err
	}
	t := try{method: f.password, user: u, secret: secret, by: by}
	s, _, err := f.look(ctx, audit.Reauth, t, refund)
	if err != nil {
		return tokens.Proof{}, err
	}
	return f.reprove(ctx, session, t, s)
}

func (f *Flow) reprove(ctx context.Context, session models.ID, t try, s slot) (tokens.Proof, error) {
	now := f.Clock()
	e := t.event(audit.Reauth)
	e.Actor, e.Session = t.user.ID, session
	err := f.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := f.throttle.forgive(tx, s); err != nil {
			return err
		}
		err := f.Tokens.Sessions.Reprove(tx, session, now, acrPassword, []string{t.method.AMR()})
		if err != nil {
			return err
		}
		return f.Audit.Append(tx, e)
	})
	if err != nil {
		f.throttle.giveBack(ctx, s) // the secret was right, the session is not there
		return tokens.Proof{}, err
	}
	return tokens.Proof{User: t.user.ID, Session: session, At: now, AAL: acrPassword}, nil
}
