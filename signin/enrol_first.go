package signin

import (
	"context"
	"errors"
	"slices"

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
	if _, err := f.takeNetwork(by.IP); err != nil {
		return Enrolment{}, err
	}
	w, _, _, err := f.enrolling(ctx, handle, web)
	if err != nil {
		return Enrolment{}, err
	}
	return f.newSeed(ctx, w.User)
}

// ConfirmFirst takes the first code of the app and opens the session: password
// and code were both shown. The codes are the recovery codes.
func (f *Flow) ConfirmFirst(ctx context.Context, in Step) (res Result, codes []string, err error) {
	res, codes, err = f.confirmFirst(ctx, in)
	f.Metrics.SignIn(outcome(res, err))
	return res, codes, err
}

func (f *Flow) confirmFirst(ctx context.Context, in Step) (Result, []string, error) {
	if _, err := f.takeNetwork(in.Client.IP); err != nil {
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
	e, err := f.confirmed(ctx, a, in.Secret, in.Client)
	if err != nil {
		return Result{}, nil, err
	}
	m := f.method("totp")
	o.held = Held{TOTP: 1, RecoveryCodes: max(a.Held.RecoveryCodes, int64(len(e.codes.shown)))}
	o.in, o.try = in.input(), try{method: m, user: w.User, by: in.Client}
	o.verdict, o.shown = Verdict{OK: true, Why: ErrEnrolment, Claim: e.claim}, shown.with(m, Verdict{})
	res, err := f.complete(ctx, o)
	if err != nil && !errors.Is(err, ErrMustChange) {
		return Result{}, nil, err
	}
	return res, e.codes.shown, err
}
