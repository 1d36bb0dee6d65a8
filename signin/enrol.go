package signin

import (
	"context"
	"encoding/base32"
	"errors"
	"net/url"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

const (
	// seedSize is 160 bits (RFC 4226, section 4, requirement R6).
	seedSize = 20
	// enrolTTL is how long a seed waits for its first code.
	enrolTTL = 15 * time.Minute
)

// The place of a seed that waits, see secrets.Box; its row is the id of the
// enrolment, so that a seed of before does not open in its place.
const waitingTable = "totp_enrolments"

// The answers of a change of factors.
var (
	// ErrEnrolment says that there is no seed to confirm: it took too long, it
	// was confirmed already, or a newer one took its place.
	ErrEnrolment = apperr.New(apperr.Conflict, "enrolment_ended")
	// ErrLastFactor keeps the second factor that the policy asks for.
	ErrLastFactor = apperr.New(apperr.Conflict, "last_factor")
	// ErrNoSecond refuses recovery codes to an account that has nothing for them
	// to stand in for.
	ErrNoSecond = apperr.New(apperr.Conflict, "no_second_factor")

	// ErrUnproved keeps factors off an account whose address nobody has proved. A
	// stranger may have signed up with it (EMAIL_VERIFICATION=optional) and waits
	// for its owner to come with a reset, which ends sessions and leaves factors in
	// force: a passkey of the stranger would open the account for ever.
	ErrUnproved = apperr.New(apperr.Forbidden, "address_unproved")

	errFactorNotFound = apperr.New(apperr.NotFound, "not_found")
	errConfirm        = apperr.InvalidField("code", "totp_wrong")
)

// Enrolment is a fresh seed. It is shown once; the database has it sealed.
type Enrolment struct {
	Secret secrets.Raw // base32, as people type it
	URI    secrets.Raw // as a QR code holds it
}

// EnrolTOTP makes a seed for an authenticator app. It opens nothing before a
// code has confirmed it, and takes the place of one that waits.
func (f *Flow) EnrolTOTP(ctx context.Context, p tokens.Proof) (Enrolment, error) {
	a, err := f.mayChange(ctx, p)
	if err == nil && a.EmailVerifiedAt.IsZero() {
		err = ErrUnproved
	}
	if err != nil {
		return Enrolment{}, err
	}
	return f.newSeed(ctx, a.User)
}

func (f *Flow) newSeed(ctx context.Context, u *models.User) (Enrolment, error) {
	seed, id, now := secrets.Random(seedSize), models.NewID(), f.Clock()
	row := models.TOTPEnrolment{
		UserID: u.ID, ID: id, Seed: f.Box.Seal(waitingTable, seedColumn, id.Bytes(), seed),
		CreatedAt: models.At(now), ExpiresAt: models.At(now.Add(enrolTTL)),
	}
	err := f.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := tx.Exec(`DELETE FROM totp_enrolments WHERE user_id = ?`, u.ID).Error; err != nil {
			return err
		}
		return tx.Create(&row).Error
	})
	if database.IsDuplicate(err) {
		err = errMeanwhile // two at the same moment
	}
	if err != nil {
		return Enrolment{}, err
	}
	return f.shownSeed(u, seed), nil
}

var errMeanwhile = apperr.New(apperr.Conflict, "changed_meanwhile")

var seedText = base32.StdEncoding.WithPadding(base32.NoPadding)

// shownSeed writes a seed as apps read it (the Key URI Format of Google
// Authenticator, which all of them know). Spaces are "%20": some show a plus.
func (f *Flow) shownSeed(u *models.User, seed []byte) Enrolment {
	issuer, text := f.Config.Issuer, seedText.EncodeToString(seed)
	if issuer = strings.ReplaceAll(issuer, ":", " "); issuer == "" {
		issuer = "Gatehouse"
	}
	uri := "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(u.Email) +
		"?secret=" + text + "&issuer=" + url.PathEscape(issuer) + "&algorithm=SHA1&digits=6&period=30"
	return Enrolment{Secret: secrets.NewRaw([]byte(text)), URI: secrets.NewRaw([]byte(uri))}
}

// waitingSeed reads the seed that waits for its first code, and the step that
// this code belongs to.
func (f *Flow) waitingSeed(ctx context.Context, user models.ID, typed string) (row models.TOTPEnrolment, seed []byte, step int64, err error) {
	code, ok := plainCode(typed)
	if !ok || len(code) != usual.Digits {
		return row, nil, 0, errCodeForm
	}
	err = f.DB.Read(ctx).Where("user_id = ?", user).Where("expires_at > ?", models.At(f.Clock())).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return row, nil, 0, ErrEnrolment
	}
	if err != nil {
		return row, nil, 0, database.Unavailable(err)
	}
	if seed, err = f.Box.Open(waitingTable, seedColumn, row.ID.Bytes(), row.Seed); err != nil {
		return row, nil, 0, ErrEnrolment // another SECRET_KEY since then
	}
	if step, ok = matchStep(usual, seed, code, f.Clock()); !ok {
		return row, nil, 0, errConfirm
	}
	return row, seed, step, nil
}

// enrolled is what a confirmation leaves behind: the factor, and recovery codes
// when there were none. Confirm takes the seed that was checked, by its row
// count; the code that confirmed it is used up with it.
type enrolled struct {
	flow    *Flow
	account Account
	waiting models.TOTPEnrolment
	seed    []byte
	step    int64
	codes   codeSet
	by      tokens.Client
}

func (f *Flow) confirmed(ctx context.Context, a Account, typed string, by tokens.Client) (*enrolled, error) {
	row, seed, step, err := f.waitingSeed(ctx, a.ID, typed)
	if err != nil {
		return nil, err
	}
	e := &enrolled{flow: f, account: a, waiting: row, seed: seed, step: step, by: by}
	if a.Held.RecoveryCodes == 0 {
		if e.codes, err = f.newCodes(ctx); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *enrolled) claim(tx *gorm.DB) (bool, error) {
	f, u, now := e.flow, e.account.User, models.At(e.flow.Clock())
	res := tx.Exec(`DELETE FROM totp_enrolments WHERE user_id = ? AND id = ?`, u.ID, e.waiting.ID)
	if res.Error != nil || res.RowsAffected == 0 {
		return false, res.Error
	}
	if err := tx.Exec(`DELETE FROM totp_factors WHERE user_id = ?`, u.ID).Error; err != nil {
		return false, err
	}
	err := tx.Create(&models.TOTPFactor{
		UserID: u.ID, Seed: f.Box.Seal(seedTable, seedColumn, u.ID.Bytes(), e.seed), Algorithm: usual.Algorithm,
		Digits: usual.Digits, Period: usual.Period, LastStep: e.step, CreatedAt: now,
	}).Error
	if err != nil {
		return false, err
	}
	if len(e.codes.hashes) > 0 {
		if err := writeCodes(tx, u.ID, e.codes, now); err != nil {
			return false, err
		}
	}
	if err := endTrust(tx, u.ID); err != nil {
		return false, err
	}
	return true, f.noteFactor(tx, factorChange{u, audit.FactorAdded, mail.KindFactorAdded, "totp", e.by})
}

// Confirm is the first code of a new app.
type Confirm struct {
	Proof   tokens.Proof
	Browser *tokens.Session // whose cookie changes; nil is a program
	Code    string
	Client  tokens.Client
}

// ConfirmTOTP takes the first code of a new app: from then on it is asked for,
// and an app of before no longer works. The session has shown two factors now
// and goes on under another cookie. The codes are new ones when there were none.
func (f *Flow) ConfirmTOTP(ctx context.Context, c Confirm) (codes []string, started tokens.Started, err error) {
	a, err := f.mayChange(ctx, c.Proof)
	if err != nil {
		return nil, started, err
	}
	e, err := f.confirmed(ctx, a, c.Code, c.Client)
	if err != nil {
		return nil, started, err
	}
	m := f.method("totp")
	before, err := f.before(ctx, m, Reproof{Session: c.Proof.Session})
	if err != nil {
		return nil, started, err
	}
	shown := before.with(m, Verdict{})
	err = f.DB.Write(ctx, func(tx *gorm.DB) (err error) {
		ok, err := e.claim(tx)
		if err == nil && !ok {
			err = ErrEnrolment
		}
		if err != nil {
			return err
		}
		started, err = f.raise(tx, c.Proof, c.Browser, shown)
		return err
	})
	if database.IsDuplicate(err) {
		err = errMeanwhile
	}
	return e.codes.shown, started, err
}

// raise writes into the session what it has shown, and gives a browser another
// cookie. The time of the proof stays: it is that of the older part.
func (f *Flow) raise(tx *gorm.DB, p tokens.Proof, browser *tokens.Session, shown progress) (started tokens.Started, err error) {
	if err := f.Tokens.Sessions.Reprove(tx, p.Session, p.At, shown.acr(), shown.values()); err != nil {
		return started, err
	}
	if browser == nil {
		return started, nil
	}
	if started, err = f.Tokens.Sessions.NewCookie(tx, browser); err != nil {
		return started, err
	}
	started.Session.ACR, started.Session.AMR = shown.acr(), models.JoinWords(shown.values())
	return started, nil
}
