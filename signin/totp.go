package signin

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// totpDrift is how many steps a clock may be off, to either side (RFC 6238,
// section 5.2; NIST SP 800-63B-4, section 3.1.4.2).
const totpDrift = 1

// errUsed answers a code that is right and was used before.
var errUsed = apperr.New(apperr.Unauthenticated, "totp_used")

// errCodeForm answers what cannot be a code. It is no try: nothing is compared.
var errCodeForm = apperr.InvalidField("code", "code_form")

// totp is the method "totp": the code of an authenticator app.
type totp struct {
	factors *Factors
	clock   func() time.Time
}

// NewTOTP builds the method.
func NewTOTP(f *Factors, clock func() time.Time) Method { return totp{f, clock} }

func (totp) Name() string   { return "totp" }
func (totp) Factor() string { return FactorPossession }
func (totp) Uses() Use      { return Second | StepUp }
func (totp) AMR() []string  { return []string{"otp"} }

func (totp) Enrolled(_ context.Context, a Account) (bool, error) { return a.Held.TOTP > 0, nil }

// Verify is the first of the two statements of a check; its Claim is the other.
func (m totp) Verify(ctx context.Context, o Offer) (Verdict, error) {
	code, ok := plainCode(o.Secret)
	if !ok {
		return Verdict{}, errCodeForm
	}
	if o.User == nil {
		return Verdict{}, nil
	}
	row, err := m.factors.seedOf(ctx, o.User.ID)
	if err != nil || row == nil {
		return Verdict{}, err
	}
	if len(code) != row.Digits {
		return Verdict{}, errCodeForm
	}
	seed, err := m.factors.box.Open(seedTable, seedColumn, row.UserID.Bytes(), row.Seed)
	if err != nil {
		return Verdict{}, err // another SECRET_KEY: an operator has to know
	}
	step, ok := matchStep(parameters{row.Algorithm, row.Digits, row.Period}, seed, code, m.clock())
	if !ok {
		return Verdict{}, nil
	}
	if step <= row.LastStep {
		return Verdict{Why: errUsed}, nil
	}
	return Verdict{OK: true, Why: errUsed, Claim: func(tx *gorm.DB) (bool, error) { return claimStep(tx, row, step) }}, nil
}

// claimStep uses a time step up, and every one before it: no code works twice,
// wherever it is shown (RFC 6238, section 5.2; ASVS 5.0, 6.5.1). The seed is a
// condition, so that a code of a seed that was replaced meanwhile is none.
func claimStep(tx *gorm.DB, row *models.TOTPFactor, step int64) (bool, error) {
	res := tx.Exec(`UPDATE totp_factors SET last_step = ? WHERE user_id = ? AND last_step < ? AND created_at = ?`,
		step, row.UserID, step, row.CreatedAt)
	return res.RowsAffected == 1, res.Error
}

// seedOf reads the factor of an account; nil is none.
func (f *Factors) seedOf(ctx context.Context, user models.ID) (*models.TOTPFactor, error) {
	var row models.TOTPFactor
	err := f.db.Read(ctx).Where("user_id = ?", user).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, database.Unavailable(err)
	}
	return &row, nil
}

// plainCode takes out what stands between the groups of a code. Only the
// digits 0 to 9 are digits here: Unicode has many more.
func plainCode(typed string) (string, bool) {
	if len(typed) > 16 {
		return "", false
	}
	code := strings.NewReplacer(" ", "", "-", "").Replace(typed)
	if len(code) < 6 || len(code) > 8 || strings.Trim(code, "0123456789") != "" {
		return "", false
	}
	return code, true
}

// parameters are how codes are made from a seed.
type parameters struct {
	Algorithm string // SHA1, SHA256 or SHA512
	Digits    int
	Period    int // seconds
}

// usual are the parameters that every authenticator app knows.
var usual = parameters{"SHA1", 6, 30}

// stepAt is the time step (RFC 6238, section 4.2).
func (p parameters) stepAt(at time.Time) int64 { return at.Unix() / int64(p.Period) }

// code is the one of a step (RFC 4226, section 5.3).
func (p parameters) code(seed []byte, step int64) string {
	mac := hmac.New(p.hash(), seed)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash never fails
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	number := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	modulus := uint32(1)
	for range p.Digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", p.Digits, number%modulus)
}

func (p parameters) hash() func() hash.Hash {
	switch p.Algorithm {
	case "SHA256":
		return sha256.New
	case "SHA512":
		return sha512.New
	}
	return sha1.New
}

// matchStep finds the step that a code belongs to. All of them are compared, so
// that the time it takes does not tell which it was.
func matchStep(p parameters, seed []byte, code string, now time.Time) (step int64, ok bool) {
	current := p.stepAt(now)
	for s := current - totpDrift; s <= current+totpDrift; s++ {
		if secrets.Equal([]byte(p.code(seed, s)), []byte(code)) {
			step, ok = s, true
		}
	}
	return step, ok
}
