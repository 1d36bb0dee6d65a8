package signin

import (
	"context"
	"errors"
	"slices"

	"gorm.io/gorm"

	"gatehouse/models"
	"gatehouse/tokens"
)

// Where the policy asks for a second factor and an account has none, the sign-in
// goes on with making one. Nothing else is open until then: there is no session
// that would have to be kept from the rest.

// enrolling is a live attempt that may make a factor now.
func (f *Flow) enrolling(ctx context.Context, handle string, web bool) (Waiting, progress, opening, error) {
	row, u, err := f.waiting(ctx, handle, web)
	if err != nil {
		return Waiting{}, progress{}, opening{}, err
	}
	shown := f.shownIn(row)
	next, err := f.next(ctx, u, shown)
	if err == nil && !slices.Contains(next, Enrol) {
		err = ErrNotNext
	}
	return Waiting{row.ID, u, next}, shown, opening{attempt: row}, err
}

// EnrolFirst makes a seed within a sign-in.
func (f *Flow) EnrolFirst(ctx context.Context, handle string, web bool, by tokens.Client) (Enrolment, error) {
	if _, err := f.takeNetwork(ctx, by.IP); err != nil {
		return Enrolment{}, err
	}
	w, _, _, err := f.enrolling(ctx, handle, web)
	if err != nil {
		return Enrolment{}, err
	}
	return f.newSeed(ctx, w.User)
}

// BeginFirstPasskey makes a challenge for a passkey within a sign-in.
func (f *Flow) BeginFirstPasskey(ctx context.Context, handle string, web bool, by tokens.Client) (PasskeyOptions, error) {
	if _, err := f.takeNetwork(ctx, by.IP); err != nil {
		return PasskeyOptions{}, err
	}
	w, _, _, err := f.enrolling(ctx, handle, web)
	if err != nil {
		return PasskeyOptions{}, err
	}
	p, ok := f.method("passkey").(*Passkeys)
	switch {
	case !ok:
		return PasskeyOptions{}, ErrNoPasskeys
	case w.User.EmailVerifiedAt.IsZero():
		return PasskeyOptions{}, ErrUnproved
	}
	return p.beginNew(ctx, w.User, ceremonyFirst, w.ID.String())
}

// MayEnrolPasskey reports whether a sign-in that asks for a new factor can take
// a passkey. An app is taken always.
func (f *Flow) MayEnrolPasskey(w Waiting) bool {
	p, ok := f.method("passkey").(*Passkeys)
	return ok && p.Available() && !w.User.EmailVerifiedAt.IsZero()
}

// ConfirmFirst takes the first code of the app, or the new passkey, and opens the
// session: the password and the new factor were both shown. The codes are the
// recovery codes.
func (f *Flow) ConfirmFirst(ctx context.Context, in Step) (res Result, codes []string, err error) {
	res, codes, err = f.confirmFirst(ctx, in)
	f.Metrics.SignIn(outcome(res, err))
	return res, codes, err
}

func (f *Flow) confirmFirst(ctx context.Context, in Step) (Result, []string, error) {
	if _, err := f.takeNetwork(ctx, in.Client.IP); err != nil {
		return Result{}, nil, err
	}
	w, shown, o, err := f.enrolling(ctx, in.Attempt, in.Web)
	if err != nil {
		return Result{}, nil, err
	}
	a, err := f.account(ctx, w.User)
	if err != nil {
		return Result{}, nil, err
	}
	first, err := f.firstFactor(ctx, a, w, in)
	if err != nil {
		return Result{}, nil, err
	}
	o.held = first.held
	o.in, o.try = in.input(), try{method: first.method, user: w.User, by: in.Client}
	o.verdict, o.shown = first.verdict, shown.with(first.method, first.verdict)
	res, err := f.complete(ctx, o)
	if err != nil && !errors.Is(err, ErrMustChange) {
		return Result{}, nil, err
	}
	return res, first.codes, err
}

// madeFirst is the factor that was made within a sign-in; the claim of its
// verdict keeps it, and recovery codes with it.
type madeFirst struct {
	method  Method
	verdict Verdict
	codes   []string
	held    Held
}

func (f *Flow) firstFactor(ctx context.Context, a Account, w Waiting, in Step) (madeFirst, error) {
	if key, ok := in.Response.(*NewPasskey); ok {
		return f.firstPasskey(ctx, a, w, in, key)
	}
	e, err := f.confirmed(ctx, a, in.Secret, in.Client)
	if err != nil {
		return madeFirst{}, err
	}
	return madeFirst{
		method: f.method("totp"), verdict: Verdict{OK: true, First: true, Why: ErrEnrolment, Claim: e.claim}, codes: e.codes.shown,
		held: Held{TOTP: 1, RecoveryCodes: max(a.Held.RecoveryCodes, int64(len(e.codes.shown)))},
	}, nil
}

func (f *Flow) firstPasskey(ctx context.Context, a Account, w Waiting, in Step, key *NewPasskey) (madeFirst, error) {
	p, ok := f.method("passkey").(*Passkeys)
	if !ok || key == nil {
		return madeFirst{}, ErrNoPasskeys
	}
	owner := PasskeyOwner{User: w.User, By: in.Client}
	made, err := p.check(ctx, madePasskey{owner: owner, kind: ceremonyFirst, bound: w.ID.String()}, nil, *key)
	if err != nil {
		return madeFirst{}, err
	}
	var codes codeSet
	if a.Held.RecoveryCodes == 0 {
		if codes, err = f.newCodes(ctx); err != nil {
			return madeFirst{}, err
		}
	}
	v := made.verdict()
	v.First = true
	v.Claim = func(tx *gorm.DB) (bool, error) {
		if ok, err := made.claim(tx); err != nil || !ok || len(codes.hashes) == 0 {
			return ok, err
		}
		return true, writeCodes(tx, w.User.ID, codes, models.At(f.Clock()))
	}
	return madeFirst{
		method: p, verdict: v, codes: codes.shown, held: Held{Passkeys: 1, RecoveryCodes: max(a.Held.RecoveryCodes, int64(len(codes.shown)))},
	}, nil
}
