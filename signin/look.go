package signin

import (
	"cmp"
	"context"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/internal/work"
	"gatehouse/models"
	"gatehouse/tokens"
)

// try is one secret that somebody wants to have looked at.
type try struct {
	method Method
	user   *models.User // nil is nobody
	login  string
	offer  Offer
	by     tokens.Client
	check  string // which check refused it, for the record
}

// room refuses a password in a rush before anything is read, counted or asked
// for, when its sender has nothing by which any account could know it: no
// cookie, or the value that it would only get now. Thousands are refused in one
// moment, and an account for each would be most of what that costs.
func (f *Flow) room(ctx context.Context, m Method, by tokens.Client) error {
	cookie := by.Browser.RevealBytes()
	if m != f.password || len(cookie) > 0 && !secrets.Equal(cookie, by.Fresh.RevealBytes()) {
		return nil
	}
	return f.Passwords.Ready(ctx)
}

// pay asks strangers for work under pressure before a hash is spent on them.
// Nobody is asked in a browser that is known for the account, and nobody who is
// signed in; whether there is an account makes no difference (security rule 14).
func (f *Flow) pay(ctx context.Context, t try) error {
	if knownFor(t) || !t.offer.Session.IsZero() {
		return nil
	}
	key, _, _ := accounts.CanonicalLogin(t.login)
	return f.Work.Pass(ctx, t.by.Asks(tokens.WorkLogin, string(key)))
}

// Challenge is work to put into a form that is about to be shown to a stranger;
// nil without pressure.
func (f *Flow) Challenge(purpose string, by tokens.Client) *work.Challenge {
	return f.Work.Challenge(by.Asks(purpose, ""))
}

// takeNetwork counts a try against its network. The refusal is neither
// recorded nor counted against an account: it must cost less than the try.
func (f *Flow) takeNetwork(ctx context.Context, ip string) (refund func(), err error) {
	if err := f.Limits.TakeNetwork(ctx, ratelimit.Login, ip); err != nil {
		return nil, err
	}
	return func() { f.Limits.RefundNetwork(ratelimit.Login, ip) }, nil
}

// look has one secret looked at: slot, comparison, verdict. It returns the
// slot with a right secret of an account that may sign in, and an error
// otherwise. refund gives back what was taken before, when nothing was compared.
func (f *Flow) look(ctx context.Context, action audit.Action, t try, refund func()) (slot, Verdict, error) {
	if knownFor(t) {
		ctx = passwords.WithPriority(ctx)
	}
	if err := f.admit(ctx, t); err != nil {
		refund()
		return slot{}, Verdict{}, err
	}
	s, err := f.slotFor(ctx, t)
	if err != nil {
		if errTooMany.Is(err) {
			return slot{}, Verdict{}, f.refuse(ctx, action, t, apperr.From(err))
		}
		refund()
		return slot{}, Verdict{}, err
	}
	verdict, err := t.method.Verify(ctx, t.offer)
	if err != nil && verdict.Looked {
		return slot{}, Verdict{}, cmp.Or(f.wrong(ctx, action, t, s, apperr.From(err)), err)
	}
	if err != nil {
		refund()
		f.throttle.giveBack(ctx, s)
		return slot{}, Verdict{}, err
	}
	if !verdict.OK || t.user == nil || !accounts.Admit(ctx, accounts.SubjectOf(t.user)).OK {
		t.check = verdict.Check
		if !knownFor(t) {
			f.Work.Failed()
		}
		return slot{}, Verdict{}, f.refuseWrong(ctx, action, t, s, verdict.why(t.method))
	}
	return s, verdict, nil
}

// admit lets a password go on to its hash. Who might have been known and is not
// is refused here in a rush, before the work that came with it is used up and
// before the write that reserves the slot; see room for most others.
func (f *Flow) admit(ctx context.Context, t try) error {
	if t.method != f.password {
		return nil
	}
	if err := f.Passwords.Ready(ctx); err != nil {
		return err
	}
	return f.pay(ctx, t)
}

// slotFor reserves the slot of a try; what cannot be guessed needs none.
func (f *Flow) slotFor(ctx context.Context, t try) (slot, error) {
	if _, ok := t.method.(Unguessable); ok {
		return slot{}, nil
	}
	g := target{factor: counterOf(t.method), user: t.user, login: t.login, ip: t.by.IP}
	if knownFor(t) {
		g.browser = t.by.Browser
	}
	return f.throttle.reserve(ctx, f.throttle.runs(g))
}

// knownFor reports whether a try comes from a browser in which the owner of the
// account has shown this factor before. Its tries are counted apart from those
// of strangers, who then cannot lock it out, and its hashes come first. What a
// program may show is the same cookie, which it seldom has: a program is a
// stranger, and so is a browser that signed in by a passkey alone when a
// password is typed into it.
func knownFor(t try) bool {
	return accounts.HasShown(t.user, t.by.Browser)&shownBy(t.method) != 0
}

// shownBy is what a browser is known for by a method.
func shownBy(m Method) accounts.Shown {
	if m.Factor() == FactorKnowledge {
		return accounts.ShownPassword
	}
	return accounts.ShownSecond
}

// counterOf names the counter of a method: each has its own, so that guesses at
// one factor are no guesses at another (security rule 13). That of the password
// has the name of its factor.
func counterOf(m Method) string {
	if m.Factor() == FactorKnowledge {
		return FactorKnowledge
	}
	return m.Name()
}

// why is the refusal of what was shown.
func (v Verdict) why(m Method) *apperr.Error {
	switch {
	case v.Why != nil:
		return v.Why
	case m.Uses()&First != 0:
		return ErrCredentials
	}
	return apperr.New(apperr.Unauthenticated, m.Name()+"_wrong")
}

// refuseWrong is refuse for a secret that was looked at.
func (f *Flow) refuseWrong(ctx context.Context, action audit.Action, t try, s slot, why *apperr.Error) error {
	return cmp.Or(f.wrong(ctx, action, t, s, why), error(why))
}

// wrong counts and records a secret that was looked at and opened nothing.
func (f *Flow) wrong(ctx context.Context, action audit.Action, t try, s slot, why *apperr.Error) error {
	ctx, cancel := database.Afterwards(ctx)
	defer cancel()
	return f.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := f.throttle.blame(tx, s); err != nil {
			return err
		}
		return f.Audit.Append(tx, t.refusal(action, why))
	})
}

// refuse records a refusal and returns its error. The record never holds what
// was typed: people type passwords into the wrong field. It is written even
// when the caller is gone, or guessing without waiting would leave no trace.
func (f *Flow) refuse(ctx context.Context, action audit.Action, t try, why *apperr.Error) error {
	ctx, cancel := database.Afterwards(ctx)
	defer cancel()
	if err := f.Audit.Record(ctx, t.refusal(action, why)); err != nil {
		return err
	}
	return why
}

func (t try) refusal(action audit.Action, why *apperr.Error) audit.Event {
	e := t.event(action)
	e.Outcome, e.Reason = audit.Failure, why.Reason
	return e
}

func (t try) event(action audit.Action) audit.Event {
	e := audit.Event{
		Action: action, Outcome: audit.Success, ClientID: tokens.FirstParty,
		IP: t.by.IP, UserAgent: t.by.UserAgent, RequestID: t.by.RequestID,
		Detail: map[string]string{"method": t.method.Name()},
	}
	if t.check != "" {
		e.Detail["check"] = t.check
	}
	if t.user != nil {
		e.Subject = t.user.ID
	}
	return e
}

// stop records why a right secret opened nothing and gives its slot back.
func (f *Flow) stop(ctx context.Context, action audit.Action, t try, s slot, why *apperr.Error) error {
	return f.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := f.throttle.forgive(tx, s); err != nil {
			return err
		}
		return f.Audit.Append(tx, t.refusal(action, why))
	})
}
