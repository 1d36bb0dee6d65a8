package signin

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// NewPasskey is what an authenticator made.
type NewPasskey struct {
	// Conditional says that the browser made it by its own motion.
	Conditional bool
	Credential  []byte // the JSON of the browser
	Name        string // "" is that of its maker
}

// AddPasskey adds a passkey to the account of a session, and says in the session
// what was shown: the key, and by it that the same person is there. That is two
// factors, so that the session rises and a browser gets another cookie (security
// rule 9; NIST SP 800-63B-4, section 4.1.2). The time of the proof stays.
//
// It is no way up for a thief. The guard and mayChange ask for a proof of the
// last minutes, as strong as what the account has; who can give that for an
// account without a second factor can sign in with the new passkey at once, and
// is at the same level. The owner's own copy of a stolen cookie dies with the
// rise, and the owner is told by mail. A passkey that the browser made by its own
// motion showed nobody, and raises nothing.
func (f *Flow) AddPasskey(ctx context.Context, o PasskeyOwner, in NewPasskey) (models.Passkey, tokens.Started, error) {
	p, ok := f.method("passkey").(*Passkeys)
	if !ok {
		return models.Passkey{}, tokens.Started{}, ErrNoPasskeys
	}
	made, err := p.made(ctx, o, registerKind(in.Conditional), in)
	if err != nil {
		return models.Passkey{}, tokens.Started{}, err
	}
	before, err := f.before(ctx, p, Reproof{Session: o.Proof.Session})
	if err != nil {
		return models.Passkey{}, tokens.Started{}, err
	}
	shown := before.with(p, made.verdict())
	var started tokens.Started
	err = f.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		started = tokens.Started{}
		if err := made.keep(tx); err != nil || in.Conditional {
			return err
		}
		started, err = f.raise(tx, o.Proof, o.Browser, shown)
		return err
	})
	return made.key, started, err
}

// madePasskey is one that passed every check and is not kept yet.
type madePasskey struct {
	passkeys *Passkeys
	owner    PasskeyOwner
	kind     ceremony
	bound    string // who was given the challenge
	read     registration
	key      models.Passkey
}

// made checks a new passkey on the proof of a session.
func (p *Passkeys) made(ctx context.Context, o PasskeyOwner, kind ceremony, in NewPasskey) (*madePasskey, error) {
	list, err := p.mayChange(ctx, o)
	if err != nil {
		return nil, err
	}
	return p.check(ctx, madePasskey{owner: o, kind: kind, bound: o.Proof.Session.String()}, list, in)
}

// check is every check of WebAuthn Level 3, section 7.1, but that of the
// challenge and of the credential id, which are claims of the transaction.
func (p *Passkeys) check(ctx context.Context, m madePasskey, list []models.Passkey, in NewPasskey) (*madePasskey, error) {
	name, wrong := accounts.ShownName(in.Name)
	switch {
	case wrong != nil:
		return nil, apperr.New(apperr.Invalid, "validation_failed").WithField("name", *wrong)
	case m.owner.User.EmailVerifiedAt.IsZero():
		return nil, ErrUnproved
	case len(list) >= maxPasskeys:
		return nil, errTooManyKey
	}
	m.passkeys = p
	key, read, err := p.readNew(in.Credential, m.kind == ceremonyConditional)
	if err != nil {
		return nil, p.refuseNew(ctx, m, read, err)
	}
	key.ID, key.UserID, key.UserHandle = models.NewID(), m.owner.User.ID, p.handle(m.owner.User.ID, list)
	key.CreatedAt = models.At(p.Clock())
	if key.Name = name; name == "" {
		key.Name = freeName(maker(key.AAGUID), list)
	}
	m.read, m.key = read, key
	return &m, nil
}

func (p *Passkeys) readNew(credential []byte, conditional bool) (models.Passkey, registration, error) {
	read, err := parseRegistration(credential)
	if err != nil {
		return models.Passkey{}, read, err
	}
	want := expectation{challenge: read.challenge, rpID: p.rp.id, origins: p.rp.origins, verified: !conditional, absent: conditional}
	key, err := want.verifyRegistration(read)
	return key, read, err
}

// refuseNew uses the challenge up and records why.
func (p *Passkeys) refuseNew(ctx context.Context, m madePasskey, read registration, why error) error {
	e := m.owner.event(audit.FactorAdded)
	e.Outcome, e.Reason, e.Detail["check"] = audit.Failure, errPasskeyBad.Reason, checkOf(why)
	err := p.DB.Write(ctx, func(tx *gorm.DB) error {
		if read.challenge != nil {
			if _, err := p.ceremonies.claim(tx, m.kind, read.challenge, m.bound); err != nil {
				return err
			}
		}
		return p.Audit.Append(tx, e)
	})
	if err != nil {
		return err
	}
	return errPasskeyBad
}

// verdict is what a new passkey showed.
func (m *madePasskey) verdict() Verdict {
	return Verdict{
		OK: true, Why: ErrPasskeyExpired, MultiFactor: m.kind != ceremonyConditional, AMR: passkeyAMR(m.key.BackupEligible != 0),
		Claim: m.claim,
	}
}

// claim uses the challenge up and keeps the passkey. The unique key on the
// credential is what says that it is new (section 7.1, step 26).
func (m *madePasskey) claim(tx *gorm.DB) (bool, error) {
	p := m.passkeys
	ok, err := p.ceremonies.claim(tx, m.kind, m.read.challenge, m.bound)
	if err != nil || !ok {
		return false, err
	}
	err = tx.Create(&m.key).Error
	if database.IsDuplicate(err) {
		return false, errPasskeyIs
	}
	if err != nil {
		return false, err
	}
	if err := endTrust(tx, m.owner.User.ID); err != nil {
		return false, err
	}
	return true, p.tell(tx, m.owner, audit.FactorAdded, mail.KindFactorAdded, &m.key)
}

// keep is claim with an error for a challenge that is over.
func (m *madePasskey) keep(tx *gorm.DB) error {
	ok, err := m.claim(tx)
	if err == nil && !ok {
		err = ErrPasskeyExpired
	}
	return err
}
