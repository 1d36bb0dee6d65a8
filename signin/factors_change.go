package signin

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// mayChange reads whose factors are about to change, on a proof that is fresh
// and as strong as what the account has: who has only the password may not take
// the other factor away, nor put one of their own beside it.
func (f *Flow) mayChange(ctx context.Context, p tokens.Proof) (Account, error) {
	if err := f.Accounts.StepUp(ctx, p); err != nil {
		return Account{}, err
	}
	u, err := f.Accounts.Get(ctx, p.User)
	if err != nil {
		return Account{}, err
	}
	return f.account(ctx, u)
}

// factorChange is one change of a factor, for the record and the notice.
type factorChange struct {
	user         *models.User
	action       audit.Action
	kind, factor string
	by           tokens.Client
}

// noteFactor writes the record and queues the notice, in the transaction of the
// change.
func (f *Flow) noteFactor(tx *gorm.DB, c factorChange) error {
	e := audit.Event{
		Action: c.action, Outcome: audit.Success, Actor: c.user.ID, Subject: c.user.ID, ClientID: tokens.FirstParty,
		IP: c.by.IP, UserAgent: c.by.UserAgent, RequestID: c.by.RequestID, Detail: map[string]string{"method": c.factor},
	}
	if err := f.Audit.Append(tx, e); err != nil {
		return err
	}
	return f.Accounts.TellOfFactor(tx, c.user, c.kind, c.factor, c.by)
}

// RemoveTOTP forgets the app. Every other session ends: who removes a factor
// may have lost it. Codes that stood in for it go when nothing else is left.
func (f *Flow) RemoveTOTP(ctx context.Context, p tokens.Proof, by tokens.Client) error {
	a, err := f.mayChange(ctx, p)
	if err != nil {
		return err
	}
	if f.required(a.User) && a.Held.Passkeys == 0 && a.Held.TOTP > 0 {
		return ErrLastFactor
	}
	return f.Tokens.Log.Write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`DELETE FROM totp_factors WHERE user_id = ?`, a.ID)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errFactorNotFound
		}
		if err := f.forgetCodes(tx, a.ID); err != nil {
			return err
		}
		if _, err := f.Tokens.Sessions.EndOthersIn(tx, a.ID, p.Session, by); err != nil {
			return err
		}
		if err := endTrust(tx, a.ID); err != nil {
			return err
		}
		return f.noteFactor(tx, factorChange{a.User, audit.FactorRemoved, mail.KindFactorRemoved, "totp", by})
	})
}
