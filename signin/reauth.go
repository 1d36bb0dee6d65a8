package signin

import (
	"context"
	"errors"
	"slices"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/passwords"
	"gatehouse/models"
	"gatehouse/tokens"
)

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
// The session says from then on what was shown, and never more: a password alone
// leaves it at AAL1, whatever it was before. Something that one has, on top of a
// session that a password began, is AAL2 (NIST SP 800-63B-4, section 2.2.3 lets a
// live session stand for the factor that began it). A password on top of
// something that one has shown in the last minutes keeps the level, and the time
// of the older part: who has the password must not make the other factor look
// fresh. A recovery code is no proof here: it lets in who lost a factor, and
// nothing else.
func (f *Flow) Reauth(ctx context.Context, r Reproof) (tokens.Proof, tokens.Started, error) {
	m := f.method(r.Method)
	if m == nil || m.Uses()&StepUp == 0 {
		return tokens.Proof{}, tokens.Started{}, ErrNotNext
	}
	if r.Secret == "" && r.Response == nil {
		return tokens.Proof{}, tokens.Started{}, apperr.InvalidField(fieldOf(m), "required")
	}
	refund, err := f.takeNetwork(ctx, r.Client.IP)
	if err != nil {
		return tokens.Proof{}, tokens.Started{}, err
	}
	u, err := f.Accounts.ForSignIn(ctx, r.User)
	if err == nil && u == nil {
		err = accounts.ErrNotFound
	}
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
	// Who is signed in is no stranger.
	s, verdict, err := f.look(passwords.WithPriority(ctx), audit.Reauth, t, refund)
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

// before is what the session has shown already and what of it still counts
// beside m.
func (f *Flow) before(ctx context.Context, m Method, r Reproof) (progress, error) {
	s, err := f.Tokens.Sessions.ByID(ctx, r.Session)
	if err != nil {
		return progress{}, err
	}
	earlier := progress{amr: slices.DeleteFunc(s.AMR.List(), func(value string) bool { return value == "mfa" })}
	knows := s.ACR == AAL2 || s.AMR.Has("pwd")
	switch {
	case m.Factor() != FactorKnowledge && knows:
		earlier.factors = []string{FactorKnowledge}
	case m.Factor() != FactorKnowledge:
		return progress{}, nil
	case s.ACR != AAL2 && !possesses(s.AMR), !(tokens.Proof{At: s.AuthTime.Time}).Recent(f.Clock()):
		return progress{}, nil
	default:
		earlier.factors, earlier.since = []string{FactorPossession}, s.AuthTime.Time
	}
	return earlier, nil
}

// possesses reports whether an authenticator was shown. A mailed code is none:
// it proves no more than a mailbox, and must not make two factors with a
// password (NIST SP 800-63B-4, section 3.1.3.1).
func possesses(amr models.Words) bool { return amr.Has("otp") || amr.Has("hwk") || amr.Has("swk") }

func (f *Flow) reprove(ctx context.Context, r Reproof, o opening) (tokens.Proof, tokens.Started, error) {
	at := o.shown.since
	if at.IsZero() {
		at = f.Clock()
	}
	var started tokens.Started
	err := f.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		started, err = f.writeProof(tx, r, o, at)
		return err
	})
	if errors.Is(err, errClaimed) {
		return tokens.Proof{}, tokens.Started{}, f.refuse(ctx, audit.Reauth, o.try, o.verdict.why(o.method))
	}
	if err != nil {
		f.throttle.giveBack(ctx, o.slot) // the secret was right, the session is not there
		return tokens.Proof{}, tokens.Started{}, err
	}
	return tokens.Proof{User: o.user.ID, Session: r.Session, At: at, AAL: o.shown.acr()}, started, nil
}

func (f *Flow) writeProof(tx *gorm.DB, r Reproof, o opening, at time.Time) (started tokens.Started, err error) {
	if err := o.claim(tx); err != nil {
		return started, err
	}
	if err := f.throttle.forgive(tx, o.slot); err != nil {
		return started, err
	}
	if err := f.Tokens.Sessions.Reprove(tx, r.Session, at, o.shown.acr(), o.shown.values()); err != nil {
		return started, err
	}
	if r.Browser != nil {
		if started, err = f.Tokens.Sessions.NewCookie(tx, r.Browser); err != nil {
			return started, err
		}
		s := started.Session
		s.AuthTime, s.ACR, s.AMR = models.At(at), o.shown.acr(), models.JoinWords(o.shown.values())
	}
	return started, f.Audit.Append(tx, o.event(audit.Reauth, r.Session))
}

// Ways lists the methods by which the person of a session can give the proof
// that changes of this account want, the strongest first. None is weaker than
// that: beside a second factor the password is offered to a session alone that
// has not shown it, because the other factor goes on top of it. None leads
// nowhere either: the code of an app is no proof of two factors for who came by
// a mailed code and has no password to go with it. Where there is no way, a
// fresh sign-in is the proof.
func (f *Flow) Ways(ctx context.Context, s *tokens.Session) ([]string, error) {
	u, err := f.Accounts.Get(ctx, s.UserID)
	if err != nil {
		return nil, err
	}
	a, err := f.account(ctx, u)
	if err != nil {
		return nil, err
	}
	knows := s.ACR == AAL2 || s.AMR.Has("pwd")
	typed, err := f.password.Enrolled(ctx, a)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range f.Methods {
		if m.Uses()&StepUp == 0 || m.Uses()&First == 0 && !knows && !typed {
			continue
		}
		has, err := m.Enrolled(ctx, a)
		if err != nil {
			return nil, err
		}
		if has {
			names = append(names, m.Name())
		}
	}
	if typed && (len(names) == 0 || !knows) {
		names = append(names, f.password.Name())
	}
	return names, nil
}
