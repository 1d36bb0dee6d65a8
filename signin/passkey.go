package signin

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/models"
)

// The errors of passkeys besides passkey_expired.
var (
	// ErrPasskey answers whatever is wrong with an answer of an authenticator.
	// Which check it was stands in the record.
	ErrPasskey = apperr.New(apperr.Unauthenticated, "passkey_refused")
	// ErrPasskeyUnknown answers a passkey that nobody has here any more, so
	// that a browser can be told to forget it.
	ErrPasskeyUnknown = apperr.New(apperr.Unauthenticated, "passkey_unknown")
	// ErrNoPasskeys answers where there can be none: APP_URL names no domain.
	ErrNoPasskeys = apperr.New(apperr.Conflict, "passkeys_off")
)

// PasskeyDeps is what passkeys work with.
type PasskeyDeps struct {
	DB       *database.DB
	Accounts *accounts.Service
	Audit    *audit.Log
	Limits   *ratelimit.Limits
	Clock    func() time.Time
	// AppURL and AppName are who we are; RelatedOrigins are who may share the
	// passkeys.
	AppURL, AppName string
	RelatedOrigins  []string
}

// Passkeys is the method "passkey" (WebAuthn Level 3) and what belongs to it:
// challenges, checks, the list of somebody's passkeys.
type Passkeys struct {
	PasskeyDeps
	rp         relyingParty
	ceremonies ceremonies
	old        domains
}

// NewPasskeys builds the method.
func NewPasskeys(d PasskeyDeps) *Passkeys {
	return &Passkeys{
		PasskeyDeps: d, rp: newRelyingParty(d.AppURL, d.AppName, d.RelatedOrigins), ceremonies: ceremonies{db: d.DB, clock: d.Clock},
	}
}

// Name is the stem.
func (*Passkeys) Name() string { return "passkey" }

// Factor is something that one has; a passkey that checks who uses it says so
// in its verdict.
func (*Passkeys) Factor() string { return FactorPossession }

// Uses are all: it opens a sign-in, completes one and proves once more.
func (*Passkeys) Uses() Use { return First | Second | StepUp }

// AMR is what is true of every passkey; a verdict tells synced and
// device-bound apart.
func (*Passkeys) AMR() []string { return []string{"swk", "user"} }

// Unguessable says that nobody finds a signature by trying.
func (*Passkeys) Unguessable() {}

// Trim deletes challenges that are over. Flow.Trim calls it.
func (p *Passkeys) Trim(ctx context.Context) error { return p.ceremonies.trim(ctx) }

// Enrolled reports whether the account has one.
func (p *Passkeys) Enrolled(_ context.Context, a Account) (bool, error) {
	return p.Available() && a.Held.Passkeys > 0, nil
}

// Available reports whether there can be passkeys at all: APP_URL must name a
// domain, and an IP address is none.
func (p *Passkeys) Available() bool { return p.rp.id != "" }

// RPID is the domain that passkeys are made for.
func (p *Passkeys) RPID() string { return p.rp.id }

// Origins are the addresses whose pages may use them, our own first.
func (p *Passkeys) Origins() []string { return p.rp.origins }

// PasskeyAnswer is the answer of a ceremony, the Response of an Input, a Step
// or a Reproof.
type PasskeyAnswer struct {
	// Credential is the JSON that a browser makes of it (Level 3, section 5.1).
	Credential []byte
	// Bound is what a challenge without an attempt or a session was given to:
	// the browser's own value, or a program's handle.
	Bound string

	// What Find read, so that Verify need not read it again.
	read *assertion
	key  *models.Passkey
}

// Find is whose passkey it is. Nothing is believed yet; Verify judges.
func (p *Passkeys) Find(ctx context.Context, o Offer) (*models.User, error) {
	in, ok := o.Response.(*PasskeyAnswer)
	if !ok || in == nil {
		return nil, nil
	}
	if err := p.read(ctx, in); err != nil || in.key == nil {
		return nil, err
	}
	return p.Accounts.ForSignIn(ctx, in.key.UserID)
}

// read parses an answer and finds its passkey. What cannot be read has none.
func (p *Passkeys) read(ctx context.Context, in *PasskeyAnswer) error {
	if in.read != nil {
		return nil
	}
	parsed, err := parseAssertion(in.Credential)
	if err != nil {
		return nil
	}
	in.read = &parsed
	var key models.Passkey
	err = p.DB.Read(ctx).Where("credential_id = ?", parsed.credentialID).Take(&key).Error
	switch {
	case err == nil:
		in.key = &key
	case !errors.Is(err, gorm.ErrRecordNotFound):
		return database.Unavailable(err)
	}
	return nil
}

// Verify judges an answer. Whatever it says, the challenge is used up: by the
// claim of a right answer, in the transaction that makes something of it, or
// here.
func (p *Passkeys) Verify(ctx context.Context, o Offer) (Verdict, error) {
	in, ok := o.Response.(*PasskeyAnswer)
	if !ok || in == nil {
		return Verdict{Why: ErrPasskey, Check: "format"}, nil
	}
	if err := p.read(ctx, in); err != nil {
		return Verdict{}, err
	}
	c := p.asked(o, in)
	err := c.judge(in)
	if err == nil {
		return p.taken(in, c), nil
	}
	if in.read != nil {
		if err := p.waste(ctx, c, in.read.challenge); err != nil {
			return Verdict{}, err
		}
	}
	why, check := ErrPasskey, refusedCheck("")
	if errors.As(err, &check) && check == checkUnknown {
		why = ErrPasskeyUnknown.WithParam("ID", encode64(in.read.credentialID))
	}
	return Verdict{Why: why, Check: string(check)}, nil
}

// checkUnknown is the check that nobody has this passkey.
const checkUnknown refusedCheck = "unknown"

// asked is which ceremony an offer answers, to whom its challenge was given,
// and what its answer must be true to.
type asked struct {
	kind  ceremony
	bound string
	want  expectation
	user  *models.User // who must own it; nil is nobody
}

func (p *Passkeys) asked(o Offer, in *PasskeyAnswer) asked {
	a := asked{kind: ceremonySignIn, bound: in.Bound, user: o.User, want: expectation{origins: p.rp.origins, verified: true}}
	switch {
	case !o.Attempt.IsZero():
		// A password came before it, so that possession is enough for two factors.
		a.kind, a.bound, a.want.verified = ceremonySecond, o.Attempt.String(), false
	case !o.Session.IsZero():
		a.kind, a.bound = ceremonyStepUp, o.Session.String()
	}
	return a
}

func (a asked) judge(in *PasskeyAnswer) error {
	switch {
	case in.read == nil:
		return refusedCheck("format")
	case in.key == nil:
		return checkUnknown
	// Section 7.2, step 6: the passkey is one of the account's.
	case a.user == nil || a.user.ID != in.key.UserID:
		return refusedCheck("owner")
	}
	// The challenge itself is compared by the claim, in the database; the domain
	// is that for which the passkey was made.
	a.want.challenge, a.want.rpID = in.read.challenge, in.key.RPID
	return a.want.verifyAssertion(*in.read, in.key, a.kind == ceremonySignIn)
}

// passkeyAMR is what a passkey shows (RFC 8176, section 2): "hwk" is a key that
// cannot be copied, "swk" one that can; "user" is a test of presence.
func passkeyAMR(synced bool) []string {
	if synced {
		return []string{"swk", "user"}
	}
	return []string{"hwk", "user"}
}

// taken is the verdict on a right answer.
func (p *Passkeys) taken(in *PasskeyAnswer, a asked) Verdict {
	flags := in.read.parsed.Response.AuthenticatorData.Flags
	return Verdict{
		OK: true, Why: ErrPasskeyExpired, MultiFactor: flags.HasUserVerified(), AMR: passkeyAMR(flags.HasBackupEligible()),
		Claim: func(tx *gorm.DB) (bool, error) {
			ok, err := p.ceremonies.claim(tx, a.kind, in.read.challenge, a.bound)
			if err != nil || !ok {
				return false, err
			}
			return p.note(tx, in)
		},
	}
}

// note brings a passkey up to date (section 7.2, step 25). The condition keeps
// the count growing when two answers of one key arrive together, and refuses a
// passkey that was removed meanwhile.
func (p *Passkeys) note(tx *gorm.DB, in *PasskeyAnswer) (bool, error) {
	data, now := in.read.parsed.Response.AuthenticatorData, models.At(p.Clock())
	count, backed := int64(data.Counter), flag(data.Flags.HasBackupState())
	res := tx.Exec(`UPDATE passkeys SET sign_count = ?, backup_state = ?, last_used_at = ?
 WHERE id = ? AND user_id = ? AND (sign_count < ? OR sign_count = 0 AND ? = 0)`, count, backed, now, in.key.ID, in.key.UserID, count, count)
	if res.Error != nil || res.RowsAffected == 1 {
		return true, res.Error
	}
	if count != 0 {
		return false, nil
	}
	// MySQL does not count a row that holds these values already.
	var there int64
	err := tx.Raw(`SELECT COUNT(*) FROM passkeys WHERE id = ? AND user_id = ? AND sign_count = 0`, in.key.ID, in.key.UserID).Scan(&there).Error
	return there == 1, err
}

// waste uses up the challenge of a wrong answer: it is for one answer, right or
// wrong (Level 3, section 13.4.3).
func (p *Passkeys) waste(ctx context.Context, a asked, challenge []byte) error {
	return p.DB.Write(ctx, func(tx *gorm.DB) error {
		_, err := p.ceremonies.claim(tx, a.kind, challenge, a.bound)
		return err
	})
}
