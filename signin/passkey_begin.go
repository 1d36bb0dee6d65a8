package signin

import (
	"context"

	"gatehouse/internal/ratelimit"
	"gatehouse/models"
)

// What is asked of an authenticator about who uses it.
const (
	verifyRequired  = "required"
	verifyPreferred = "preferred"
)

// BeginSignIn makes a challenge for somebody who has said nothing about
// themselves, and must not: the answer is the same for every name, so that it
// tells of none (security rule 14). bound is the browser or the program that
// asks; ip is counted against its network. domain is "" or one of OldDomains.
func (p *Passkeys) BeginSignIn(ctx context.Context, bound, ip, domain string) (PasskeyOptions, error) {
	if !p.Available() {
		return PasskeyOptions{}, ErrNoPasskeys
	}
	if err := p.Limits.TakeNetwork(ctx, ratelimit.Passkey, ip); err != nil {
		return PasskeyOptions{}, err
	}
	domain, err := p.askedDomain(ctx, domain)
	if err != nil {
		return PasskeyOptions{}, err
	}
	challenge, err := p.ceremonies.begin(ctx, ceremonySignIn, bound)
	return getOptions(domain, challenge, nil, verifyRequired), err
}

// BeginSecond makes a challenge for half a sign-in. domain is "", or one of those
// that its owner has passkeys of.
func (p *Passkeys) BeginSecond(ctx context.Context, w Waiting, domain string) (PasskeyOptions, error) {
	return p.ask(ctx, w.User.ID, domain, asking{ceremonySecond, w.ID.String(), verifyPreferred})
}

// BeginStepUp makes a challenge for somebody who is signed in.
func (p *Passkeys) BeginStepUp(ctx context.Context, user, session models.ID, domain string) (PasskeyOptions, error) {
	return p.ask(ctx, user, domain, asking{ceremonyStepUp, session.String(), verifyRequired})
}

// asking is a ceremony, who is given its challenge, and what is asked about who
// uses the authenticator.
type asking struct {
	kind                ceremony
	bound, verification string
}

// ask names the passkeys of an account. A browser takes one domain at a time, and
// asks an old one whether our pages may use its passkeys (Level 3, section 5.11).
func (p *Passkeys) ask(ctx context.Context, user models.ID, domain string, a asking) (PasskeyOptions, error) {
	list, err := p.List(ctx, user)
	if err != nil {
		return PasskeyOptions{}, err
	}
	if domain, err = p.domainAmong(list, domain); err != nil {
		return PasskeyOptions{}, err
	}
	challenge, err := p.ceremonies.begin(ctx, a.kind, a.bound)
	return getOptions(domain, challenge, list, a.verification), err
}

// BeginRegister makes a challenge for a new passkey. conditional is for a
// browser that makes one by its own motion, right after a password.
func (p *Passkeys) BeginRegister(ctx context.Context, user *models.User, session models.ID, conditional bool) (PasskeyOptions, error) {
	return p.beginNew(ctx, user, registerKind(conditional), session.String())
}

func (p *Passkeys) beginNew(ctx context.Context, user *models.User, kind ceremony, bound string) (PasskeyOptions, error) {
	if !p.Available() {
		return PasskeyOptions{}, ErrNoPasskeys
	}
	list, err := p.List(ctx, user.ID)
	if err != nil {
		return PasskeyOptions{}, err
	}
	challenge, err := p.ceremonies.begin(ctx, kind, bound)
	if err != nil {
		return PasskeyOptions{}, err
	}
	return p.rp.createOptions(challenge, p.entity(user, list), list), nil
}

func registerKind(conditional bool) ceremony {
	if conditional {
		return ceremonyConditional
	}
	return ceremonyRegister
}

// entity is the account as an authenticator knows it. Its id has no personal
// data in it (Level 3, section 14.6.1); an account that came with passkeys from
// elsewhere keeps the handle they have, so that it is one entry in their list.
func (p *Passkeys) entity(u *models.User, list []models.Passkey) PasskeyUser {
	return PasskeyUser{ID: encode64(p.handle(u.ID, list)), Name: loginOf(u), DisplayName: shownName(u)}
}

func (p *Passkeys) handle(user models.ID, list []models.Passkey) []byte {
	for _, k := range list {
		if k.RPID == p.rp.id && len(k.UserHandle) > 0 {
			return k.UserHandle
		}
	}
	return user.Bytes()
}

func loginOf(u *models.User) string {
	if u.Username != nil && *u.Username != "" {
		return *u.Username
	}
	return u.Email
}

func shownName(u *models.User) string {
	if u.Name != "" {
		return u.Name
	}
	return loginOf(u)
}
