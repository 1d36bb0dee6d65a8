package signin

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/mail"
	"gatehouse/models"
)

// RemovePasskey takes a passkey away and returns it; every other session of the
// account ends with it. The last way in stays: an account without a password
// keeps one passkey, and one that has to have a second factor keeps that.
func (f *Flow) RemovePasskey(ctx context.Context, o PasskeyOwner, id models.ID) (models.Passkey, error) {
	p, ok := f.method("passkey").(*Passkeys)
	if !ok {
		return models.Passkey{}, errNoPasskey
	}
	list, err := p.mayChange(ctx, o)
	if err != nil {
		return models.Passkey{}, err
	}
	key, err := among(list, id)
	if err != nil {
		return models.Passkey{}, err
	}
	// The transaction may run twice; why is set anew each time.
	var why error
	err = f.Tokens.Log.Write(ctx, func(tx *gorm.DB) (err error) {
		why, err = f.removeKey(tx, p, o, &key)
		return err
	})
	if err == nil {
		err = why
	}
	return key, err
}

func (f *Flow) removeKey(tx *gorm.DB, p *Passkeys, o PasskeyOwner, key *models.Passkey) (why, err error) {
	if why, err = p.stays(tx, key, f.required(o.User)); why != nil || err != nil {
		return why, err
	}
	res := tx.Exec(`DELETE FROM passkeys WHERE id = ? AND user_id = ?`, key.ID, o.User.ID)
	if res.Error != nil || res.RowsAffected == 0 {
		return errNoPasskey, res.Error
	}
	if err := f.forgetCodes(tx, o.User.ID); err != nil {
		return nil, err
	}
	if _, err := f.Tokens.Sessions.EndOthersIn(tx, o.User.ID, o.Proof.Session, o.By); err != nil {
		return nil, err
	}
	if err := endTrust(tx, o.User.ID); err != nil {
		return nil, err
	}
	return nil, p.tell(tx, o, audit.FactorRemoved, mail.KindFactorRemoved, key)
}

// stays says why a passkey cannot go: it is the last that opens an account
// without a password by itself, or the last factor that the policy asks for. One
// of a domain that no browser can be asked for here completes a sign-in and
// opens none. It takes the account's row first, so that two removals stand in
// line and cannot take both (an UPDATE that changes nothing locks it on MySQL;
// SQLite has one writer).
func (p *Passkeys) stays(tx *gorm.DB, key *models.Passkey, required bool) (why, err error) {
	user := key.UserID
	if err := tx.Exec(`UPDATE users SET sign_ins = sign_ins WHERE id = ?`, user).Error; err != nil {
		return nil, err
	}
	var left struct{ Passkeys, Alone, Apps, Passwords int64 }
	err = tx.Raw(`SELECT (SELECT COUNT(*) FROM passkeys WHERE user_id = ? AND id <> ?) AS passkeys,
 (SELECT COUNT(*) FROM passkeys WHERE user_id = ? AND id <> ? AND rp_id IN ?) AS alone,
 (SELECT COUNT(*) FROM totp_factors WHERE user_id = ?) AS apps,
 (SELECT COUNT(*) FROM users WHERE id = ? AND password_hash <> '') AS passwords`,
		user, key.ID, user, key.ID, p.aloneDomains(), user, user).Scan(&left).Error
	switch {
	case err != nil:
		return nil, err
	case left.Passwords == 0 && left.Alone == 0:
		return ErrLastWayIn, nil
	case required && left.Passkeys+left.Apps == 0:
		return ErrLastFactor, nil
	}
	return nil, nil
}
