package signin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/tokens"
)

const (
	// maxPasskeys is how many an account may have, as many as an import brings.
	maxPasskeys = 50
	// offerEvery is how long nobody is offered a passkey again.
	offerEvery = 30 * 24 * time.Hour
)

// The errors of the list.
var (
	ErrLastWayIn  = apperr.New(apperr.Conflict, "last_way_in")
	errPasskeyIs  = apperr.New(apperr.Conflict, "passkey_known")
	errPasskeyBad = apperr.New(apperr.Invalid, "passkey_refused")
	errTooManyKey = apperr.New(apperr.Conflict, "passkeys_full")
	errNoPasskey  = apperr.New(apperr.NotFound, "not_found")
)

// PasskeyOwner is who changes their passkeys, and on which proof.
type PasskeyOwner struct {
	User    *models.User
	Proof   tokens.Proof    // of the session in which it happens
	Browser *tokens.Session // whose cookie changes when the session rises; nil is a program
	By      tokens.Client
}

// List is the passkeys of an account, the oldest first.
func (p *Passkeys) List(ctx context.Context, user models.ID) ([]models.Passkey, error) {
	var list []models.Passkey
	err := p.DB.Read(ctx).Where("user_id = ?", user).Order("id").Find(&list).Error
	return list, database.Unavailable(err)
}

// tell records a change and queues its notice (security rule 12).
func (p *Passkeys) tell(tx *gorm.DB, o PasskeyOwner, action audit.Action, kind string, key *models.Passkey) error {
	e := o.event(action)
	e.Detail["passkey"] = key.ID.String()
	if err := p.Audit.Append(tx, e); err != nil {
		return err
	}
	return p.Accounts.TellOfFactor(tx, o.User, kind, p.Name(), o.By)
}

func (o PasskeyOwner) event(action audit.Action) audit.Event {
	return audit.Event{
		Action: action, Outcome: audit.Success, Subject: o.User.ID, Actor: o.User.ID, Session: o.Proof.Session, ClientID: tokens.FirstParty,
		IP: o.By.IP, UserAgent: o.By.UserAgent, RequestID: o.By.RequestID, Detail: map[string]string{"method": "passkey"},
	}
}

// mayChange asks for a fresh proof as strong as the account can give, and reads
// its passkeys. Who has one factor of two must neither add a third nor take one
// away (NIST SP 800-63B-4, section 4.1.2; security rule 12).
func (p *Passkeys) mayChange(ctx context.Context, o PasskeyOwner) ([]models.Passkey, error) {
	if err := p.Accounts.StepUp(ctx, o.Proof); err != nil {
		return nil, err
	}
	return p.List(ctx, o.User.ID)
}

// Rename gives a passkey another name. That of somebody else is not found. It is
// on record, and no mail tells of it: a name opens nothing.
func (p *Passkeys) Rename(ctx context.Context, o PasskeyOwner, id models.ID, name string) error {
	name, wrong := accounts.ShownName(name)
	switch {
	case wrong != nil:
		return apperr.New(apperr.Invalid, "validation_failed").WithField("name", *wrong)
	case name == "":
		return apperr.InvalidField("name", "required")
	}
	key, err := p.one(ctx, o.User.ID, id)
	if err != nil || key.Name == name {
		return err
	}
	e := o.event(audit.FactorRenamed)
	e.Detail["passkey"] = id.String()
	found := false
	err = p.DB.Write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE passkeys SET name = ? WHERE id = ? AND user_id = ? AND name <> ?`, name, id, o.User.ID, name)
		if found = res.RowsAffected == 1; res.Error != nil || !found {
			return res.Error
		}
		return p.Audit.Append(tx, e)
	})
	if err == nil && !found {
		_, err = p.one(ctx, o.User.ID, id) // removed, or renamed like this, meanwhile
	}
	return err
}

func (p *Passkeys) one(ctx context.Context, user, id models.ID) (models.Passkey, error) {
	list, err := p.List(ctx, user)
	if err != nil {
		return models.Passkey{}, err
	}
	return among(list, id)
}

func among(list []models.Passkey, id models.ID) (models.Passkey, error) {
	for _, k := range list {
		if k.ID == id {
			return k, nil
		}
	}
	return models.Passkey{}, errNoPasskey
}

// Offer reports whether to offer a passkey to somebody who has just signed in
// without one, and remembers it: at most once in 30 days, of any number of
// sign-ins at once. Whoever needs none costs one read.
func (p *Passkeys) Offer(ctx context.Context, user models.ID) (bool, error) {
	now := p.Clock()
	since := models.At(now.Add(-offerEvery))
	var known struct{ Passkeys, Offers, Due int64 }
	err := p.DB.Read(ctx).Raw(`SELECT (SELECT COUNT(*) FROM passkeys WHERE user_id = ?) AS passkeys,
 (SELECT COUNT(*) FROM passkey_offers WHERE user_id = ?) AS offers,
 (SELECT COUNT(*) FROM passkey_offers WHERE user_id = ? AND offered_at <= ?) AS due`, user, user, user, since).Scan(&known).Error
	if err != nil || !p.Available() || known.Passkeys > 0 || known.Offers > known.Due {
		return false, database.Unavailable(err)
	}
	if known.Offers > 0 {
		n, err := p.DB.Exec(ctx, `UPDATE passkey_offers SET offered_at = ? WHERE user_id = ? AND offered_at <= ?`, models.At(now), user, since)
		return n == 1, err
	}
	_, err = p.DB.Exec(ctx, `INSERT INTO passkey_offers (user_id, offered_at) VALUES (?, ?)`, user, models.At(now))
	if database.IsDuplicate(err) {
		return false, nil
	}
	return err == nil, err
}

// Signal is what the list of passkeys of somebody's device should know (Level
// 3, section 5.1.10): for each handle under which it knows the account, the
// passkeys that still work and the names of today.
type Signal struct {
	RPID string
	User PasskeyUser
	IDs  []string
}

// Signals are the signals about an account, given its passkeys.
func (p *Passkeys) Signals(u *models.User, list []models.Passkey) []Signal {
	if !p.Available() {
		return nil
	}
	handles := [][]byte{u.ID.Bytes()}
	for _, k := range list {
		if k.RPID == p.rp.id && !slices.ContainsFunc(handles, func(h []byte) bool { return bytes.Equal(h, k.UserHandle) }) {
			handles = append(handles, k.UserHandle)
		}
	}
	out := make([]Signal, len(handles))
	for i, h := range handles {
		user := p.entity(u, list)
		user.ID = encode64(h)
		out[i] = Signal{RPID: p.rp.id, User: user}
		for _, k := range list {
			if k.RPID == p.rp.id && bytes.Equal(k.UserHandle, h) {
				out[i].IDs = append(out[i].IDs, encode64(k.CredentialID))
			}
		}
	}
	return out
}

// freeName is the name of a maker, with a number when it is taken.
func freeName(base string, list []models.Passkey) string {
	if base == "" {
		base = "Passkey"
	}
	name := base
	for n := 2; ; n++ {
		taken := false
		for _, k := range list {
			taken = taken || k.Name == name
		}
		if !taken {
			return name
		}
		name = fmt.Sprintf("%s %d", base, n)
	}
}

func checkOf(err error) string {
	check, _ := errors.AsType[refusedCheck](err)
	return string(check)
}
