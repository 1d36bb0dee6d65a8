package signin

import (
	"context"
	"errors"
	"slices"
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

// Reproof is somebody signed in who proves again who they are.
type Reproof struct {
	User, Session models.ID
	// Browser is the web session, whose cookie changes; nil is a program.
	Browser  *tokens.Session
	Method   string // "" is the password
	Secret   string
	Response any
	Client   tokens.Client
}

// Reauth has the person of a session prove again who they are. It shares the
// counters of SignIn, so that a stolen session is no way around them, and it
// raises the auth_time of the session. A browser's session goes on under
// another cookie (security rule 9; ASVS 5.0, 7.2.4): one that was stolen before
// the proof must not profit from it.
//
// The session says from then on what was shown: after a password it is AAL1;
// something that one has, on top of the session that a first factor began, is
// AAL2. A recovery code is no proof here: it lets in who lost a factor, and
// nothing else.
func (f *Flow) Reauth(ctx context.Context, r Reproof) (tokens.Proof, tokens.Started, error) {
	m := f.method(r.Method)
	if m == nil || m.Uses()&StepUp == 0 {
		return tokens.Proof{}, tokens.Started{}, ErrNotNext
	}
	if r.Secret == "" && r.Response == nil {
		return tokens.Proof{}, tokens.Started{}, apperr.InvalidField(fieldOf(m), "required")
	}
	refund, err := f.takeNetwork(r.Client.IP)
	if err != nil {
		return tokens.Proof{}, tokens.Started{}, err
	}
	u, err := f.Accounts.Get(ctx, r.User)
	if err != nil {
		return tokens.Proof{}, tokens.Started{}, err
	}
	before, err := f.before(ctx, m, r)
	if err != nil {
		return tokens.Proof{}, tokens.Started{}, err
	}
	t := try{method: m, user: u, by: r.Client, offer: Offer{
		User: u, Secret: r.Secret, Response: r.Response, Session: r.Session, Browser: idOf(r.Browser),
	}}
	s, verdict, err := f.look(ctx, audit.Reauth, t, refund)
	if err == nil && verdict.MustChange {
		err = f.mustChange(ctx, t, s)
	}
	if err != nil {
		return tokens.Proof{}, tokens.Started{}, err
	}
	return f.reprove(ctx, r, opening{try: t, slot: s, verdict: verdict, shown: before.with(m, verdict)})
}

// fieldOf is the field in which the secret of a method is typed.
func fieldOf(m Method) string {
	if m.Factor() == FactorKnowledge {
		return "password"
	}
	return "code"
}

// mustChange refuses a proof by a password that opens nothing any more.
func (f *Flow) mustChange(ctx context.Context, t try, s slot) error {
	if err := f.stop(ctx, audit.Reauth, t, s, ErrMustChange); err != nil {
		return err
	}
	return ErrMustChange
}

// before is what the session has shown already, and what still counts when
// something that one has comes on top of it: what the person knows.
func (f *Flow) before(ctx context.Context, m Method, r Reproof) (progress, error) {
	if m.Factor() == FactorKnowledge {
		return progress{}, nil
	}
	s, err := f.Tokens.Sessions.ByID(ctx, r.Session)
	if err != nil {
		return progress{}, err
	}
	if s.ACR != AAL2 && !s.AMR.Has("pwd") {
		return progress{}, nil
	}
	known := slices.DeleteFunc(s.AMR.List(), func(value string) bool { return value == "mfa" })
	return progress{amr: known, factors: []string{FactorKnowledge}}, nil
}

func (f *Flow) reprove(ctx context.Context, r Reproof, o opening) (tokens.Proof, tokens.Started, error) {
	now := f.Clock()
	var started tokens.Started
	err := f.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		started, err = f.writeProof(tx, r, o, now)
		return err
	})
	if errors.Is(err, errClaimed) {
		return tokens.Proof{}, tokens.Started{}, f.refuse(ctx, audit.Reauth, o.try, o.verdict.why(o.method))
	}
	if err != nil {
		f.throttle.giveBack(ctx, o.slot) // the secret was right, the session is not there
		return tokens.Proof{}, tokens.Started{}, err
	}
	return tokens.Proof{User: o.user.ID, Session: r.Session, At: now, AAL: o.shown.acr()}, started, nil
}

func (f *Flow) writeProof(tx *gorm.DB, r Reproof, o opening, now time.Time) (started tokens.Started, err error) {
	if err := o.claim(tx); err != nil {
		return started, err
	}
	if err := f.throttle.forgive(tx, o.slot); err != nil {
		return started, err
	}
	if err := f.Tokens.Sessions.Reprove(tx, r.Session, now, o.shown.acr(), o.shown.values()); err != nil {
		return started, err
	}
	if r.Browser != nil {
		if started, err = f.Tokens.Sessions.NewCookie(tx, r.Browser); err != nil {
			return started, err
		}
		s := started.Session
		s.AuthTime, s.ACR, s.AMR = models.At(now), o.shown.acr(), models.JoinWords(o.shown.values())
	}
	return started, f.Audit.Append(tx, o.event(audit.Reauth, r.Session))
}
