package signin

import (
	"context"
	"slices"
	"time"

	"gatehouse/accounts"
	"gatehouse/models"
	"gatehouse/tokens"
)

// The values of the setting MFA.
const (
	MFAOptional = "optional"
	MFAAdmins   = "admins"
	MFARequired = "required"
)

// Levels of assurance (NIST SP 800-63B-4, sections 2.1 and 2.2), the values of
// the claim "acr".
const (
	AAL1 = tokens.AAL1 // one factor
	AAL2 = tokens.AAL2 // two
)

// Enrol stands among the methods that are wanted next when the policy asks for
// a second factor and the account has none: the sign-in goes on with choosing one.
const Enrol = "enrol"

// adminRoles are those that MFA=admins is about.
var adminRoles = []string{"owner", "admin"}

// required reports whether the policy asks this person for a second factor.
func (f *Flow) required(u *models.User) bool {
	switch f.Config.MFA {
	case MFARequired:
		return true
	case MFAAdmins:
		return slices.ContainsFunc(adminRoles, u.Roles.Has)
	}
	return false
}

// progress is what was shown so far.
type progress struct {
	done    []string // names of methods
	factors []string // what they prove, each once
	amr     []string
	// complete says that no second factor is wanted any more.
	complete bool
	// since, when set, is the time of the oldest part of a proof that was given
	// in two parts.
	since time.Time
}

// with is the progress after one more method.
func (p progress) with(m Method, v Verdict) progress {
	p.done = append(slices.Clone(p.done), m.Name())
	p.factors = appendOnce(p.factors, m.Factor())
	amr := v.AMR
	if amr == nil {
		amr = m.AMR()
	}
	p.amr = appendOnce(p.amr, amr...)
	if v.MultiFactor {
		p.factors = appendOnce(p.factors, FactorKnowledge, FactorPossession)
	}
	p.complete = p.complete || v.MultiFactor || len(p.done) > 1 && m.Uses()&Second != 0
	return p
}

// remembered is what the browser of a sign-in is known for after it.
func (p progress) remembered() (shown accounts.Shown) {
	if slices.Contains(p.amr, "pwd") {
		shown |= accounts.ShownPassword
	}
	if p.complete {
		shown |= accounts.ShownSecond
	}
	return shown
}

// acr is the level that was reached. Two methods of one factor are one factor.
func (p progress) acr() string {
	if len(p.factors) > 1 {
		return AAL2
	}
	return AAL1
}

// values is the claim "amr", which says so when there were several factors
// (RFC 8176, section 2, "mfa").
func (p progress) values() []string {
	if p.acr() == AAL2 {
		return appendOnce(p.amr, "mfa")
	}
	return p.amr
}

func appendOnce(list []string, more ...string) []string {
	list = slices.Clone(list)
	for _, one := range more {
		if !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
}

// account reads what an account has.
func (f *Flow) account(ctx context.Context, u *models.User) (Account, error) {
	held, err := f.Factors.Held(ctx, u.ID)
	return Account{u, held}, err
}

// ahead is next where the answer is needed before the session is started. For
// everybody else the UPDATE of the start knows, and a sign-in with a password
// alone costs no question more.
func (f *Flow) ahead(ctx context.Context, o opening) ([]string, error) {
	if o.shown.complete {
		return nil, nil
	}
	ask := f.required(o.user) || o.verdict.MustChange
	for _, m := range f.Methods {
		ask = ask || m.Uses()&(Second|StandIn) == Second && !inUpdate[m.Name()]
	}
	if !ask {
		return nil, nil
	}
	return f.next(ctx, o.user, o.shown)
}

// next lists the methods of which one is still wanted, the strongest first; no
// one when nothing is. What the account has is always asked for, whatever the
// policy says: "another way" is among these and never less.
func (f *Flow) next(ctx context.Context, u *models.User, p progress) ([]string, error) {
	if p.complete {
		return nil, nil
	}
	a, err := f.account(ctx, u)
	if err != nil {
		return nil, err
	}
	return f.ask(ctx, a, p)
}

// ask is next of an account that was read.
func (f *Flow) ask(ctx context.Context, a Account, p progress) ([]string, error) {
	names, second := []string{}, false
	for _, m := range f.Methods {
		if m.Uses()&Second == 0 || slices.Contains(p.done, m.Name()) {
			continue
		}
		has, err := m.Enrolled(ctx, a)
		if err != nil {
			return nil, err
		}
		if has {
			names, second = append(names, m.Name()), second || m.Uses()&StandIn == 0
		}
	}
	switch {
	case second:
		return names, nil
	case a.Held.Second() && len(p.done) == 1:
		return nil, ErrFactor
	case f.required(a.User):
		return []string{Enrol}, nil
	}
	return nil, nil
}
