package signin

import (
	"context"

	"gatehouse/accounts"
	"gatehouse/internal/passwords"
	"gatehouse/models"
)

// password is the method "password".
type password struct {
	hasher   *passwords.Hasher
	accounts *accounts.Service
}

func (password) Name() string   { return "password" }
func (password) Factor() string { return FactorKnowledge }
func (password) Uses() Use      { return First | StepUp }
func (password) AMR() []string  { return []string{"pwd"} }

func (password) Enrolled(_ context.Context, a Account) (bool, error) {
	return a.User != nil && a.PasswordHash != "", nil
}

// Verify compares a password. Without an account or a hash the hasher does the
// work of a current one all the same (ASVS 5.0, 6.3.8).
func (p password) Verify(ctx context.Context, o Offer) (Verdict, error) {
	u := o.User
	if u == nil {
		u = &models.User{}
	}
	res, err := p.hasher.Verify(ctx, o.Secret, u.PasswordHash)
	if err != nil || !res.OK {
		return Verdict{}, err
	}
	v := Verdict{OK: true, MustChange: res.MustChange}
	if res.Rehash {
		id, old := u.ID, u.PasswordHash
		v.Renew = func(ctx context.Context) error { return p.renew(ctx, id, old, o.Secret) }
	}
	return v, nil
}

// renew stores the password under the current cost. The old hash is the
// condition, so that a password that was changed meanwhile stays.
func (p password) renew(ctx context.Context, id models.ID, old, secret string) error {
	hash, err := p.hasher.Hash(ctx, secret)
	if err != nil {
		return err
	}
	_, err = p.accounts.Rehash(ctx, id, old, hash)
	return err
}
