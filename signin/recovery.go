package signin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/passwords"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// recovery is the method "recovery": codes on paper, each of which works once
// (look-up secrets, NIST SP 800-63B-4, section 3.1.2). They complete a sign-in
// when the other factor is lost, and prove nothing else.
type recovery struct {
	factors *Factors
	hasher  *passwords.Hasher
	clock   func() time.Time
}

// NewRecovery builds the method.
func NewRecovery(f *Factors, h *passwords.Hasher, clock func() time.Time) Method {
	return recovery{f, h, clock}
}

func (recovery) Name() string   { return "recovery" }
func (recovery) Factor() string { return FactorPossession }
func (recovery) Uses() Use      { return Second | StandIn }

// AMR has no registered value for look-up secrets (RFC 8176, section 2), and
// "otp" would be taken for an authenticator app.
func (recovery) AMR() []string { return []string{"recovery"} }

func (recovery) Enrolled(_ context.Context, a Account) (bool, error) {
	return a.Held.RecoveryCodes > 0, nil
}

// longestCode bounds what is hashed: codes of other systems are shorter.
const longestCode = 128

// Verify compares with every code that is left, ours first, because they cost
// nothing. Those of another system are checked in the form they came in.
func (m recovery) Verify(ctx context.Context, o Offer) (Verdict, error) {
	if len(o.Secret) > longestCode {
		return Verdict{}, errCodeForm
	}
	if o.User == nil {
		return Verdict{}, nil
	}
	left, err := m.factors.codesOf(ctx, o.User.ID)
	if err != nil {
		return Verdict{}, err
	}
	spellings := spellingsOf(o.Secret)
	for i := range left {
		if matchesDigest(left[i].Hash, spellings) {
			return m.found(&left[i]), nil
		}
	}
	for i := range left {
		if strings.HasPrefix(left[i].Hash, digestPrefix) {
			continue
		}
		for _, typed := range spellings {
			res, err := m.hasher.Verify(ctx, typed, left[i].Hash)
			if err != nil {
				return Verdict{}, err
			}
			if res.OK {
				return m.found(&left[i]), nil
			}
		}
	}
	return Verdict{}, nil
}

// found claims the code: the row count decides who used it (security rule 2).
func (m recovery) found(row *models.RecoveryCode) Verdict {
	return Verdict{OK: true, Claim: func(tx *gorm.DB) (bool, error) {
		res := tx.Exec(`UPDATE recovery_codes SET used_at = ? WHERE user_id = ? AND position = ? AND hash = ? AND used_at IS NULL`,
			models.At(m.clock()), row.UserID, row.Position, row.Hash)
		return res.RowsAffected == 1, res.Error
	}}
}

// codesOf reads what is left of an account's codes.
func (f *Factors) codesOf(ctx context.Context, user models.ID) (list []models.RecoveryCode, err error) {
	err = f.db.Read(ctx).Where("user_id = ?", user).Where("used_at IS NULL").Order("position").Find(&list).Error
	return list, database.Unavailable(err)
}

// The form in which a digest of a code is kept. A plain SHA-256 is enough for
// ours, which have 125 random bits: ASVS 5.0, 6.5.2 asks for a slow hash below 112.
const digestPrefix = "sha256:"

func digestOf(code string) string {
	sum := sha256.Sum256([]byte(code))
	return digestPrefix + hex.EncodeToString(sum[:])
}

func matchesDigest(hash string, spellings []string) bool {
	match := false
	for _, typed := range spellings {
		match = secrets.Equal([]byte(strings.ToLower(hash)), []byte(digestOf(typed))) || match
	}
	return match
}

// spellingsOf are the ways in which a typed code may have been hashed: ours
// first, then as it was typed, and without what people put between groups.
func spellingsOf(typed string) []string {
	plain := strings.TrimSpace(typed)
	bare := strings.NewReplacer(" ", "", "-", "").Replace(plain)
	return appendOnce(nil, alike.Replace(strings.ToUpper(bare)), plain, bare, strings.ToLower(bare), strings.ToUpper(bare))
}

// The letters of our codes: the digits and letters without I, L, O and U
// (Crockford's base 32), because a code is copied by hand.
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// alike are the ones that look like others.
var alike = strings.NewReplacer("O", "0", "I", "1", "L", "1")

const (
	codeCount  = 10
	codeGroups = 5 // of 5 letters with 5 bits each: 125 bits
)

// newCode makes one, as it is shown.
func newCode() string {
	var b strings.Builder
	for i, r := range secrets.Random(codeGroups * 5) {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(codeLetters[r%32]) // 256 is a multiple of 32: each is equally likely
	}
	return b.String()
}
