package signin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/passwords"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
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

// Verify compares with the code that the typed one says it is, and then with
// the others: those of another system say nothing, and are checked in the form
// they came in.
func (m recovery) Verify(ctx context.Context, o Offer) (Verdict, error) {
	if len(o.Secret) > longestCode {
		return Verdict{}, apperr.New(apperr.Invalid, "validation_failed").WithField("code", apperr.Field{Reason: "too_long", Params: map[string]any{"Max": longestCode}})
	}
	if o.User == nil {
		return Verdict{}, nil
	}
	left, err := m.factors.codesOf(ctx, o.User.ID)
	if err != nil {
		return Verdict{}, err
	}
	spellings := spellingsOf(o.Secret)
	likely := positionOf(spellings[0])
	slices.SortStableFunc(left, func(a, b models.RecoveryCode) int {
		return int(flag(b.Position == likely) - flag(a.Position == likely))
	})
	looked := false
	for i := range left {
		ok, err := m.matches(ctx, left[i].Hash, spellings, &looked)
		if err != nil {
			return Verdict{Looked: looked}, err
		}
		if ok {
			return m.found(&left[i]), nil
		}
	}
	return Verdict{}, nil
}

// matches compares with one code and notes when it has compared anything.
func (m recovery) matches(ctx context.Context, hash string, spellings []string, looked *bool) (bool, error) {
	if strings.HasPrefix(hash, digestPrefix) {
		*looked = true
		return matchesDigest(hash, spellings), nil
	}
	for _, typed := range spellings {
		res, err := m.hasher.Verify(ctx, typed, hash)
		if err != nil || res.OK {
			return res.OK, err
		}
		*looked = true
	}
	return false, nil
}

// found claims the code: the row count decides who used it (security rule 2).
func (m recovery) found(row *models.RecoveryCode) Verdict {
	return Verdict{OK: true, Notice: mail.KindRecoveryUsed, Claim: func(tx *gorm.DB) (bool, error) {
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

// digestPrefix is the form in which other systems hand over plain digests.
// Ours have a slow hash with a salt, because they have fewer than 112 bits
// (ASVS 5.0, 6.5.2).
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
	return appendOnce(nil, alike.Replace(strings.ToUpper(bare)), plain, bare)
}

// The letters of our codes: the digits and letters without I, L, O and U
// (Crockford's base 32), because a code is copied by hand.
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// alike are the ones that look like others.
var alike = strings.NewReplacer("O", "0", "I", "1", "L", "1")

const (
	codeCount = 10
	codeSize  = 16 // letters of 5 bits, of which the first says little: 75 bits at least
)

// newCode makes the code of a position, which its first letter says, so that a
// right code costs one hash and not ten.
func newCode(position int) string {
	var b strings.Builder
	for i, r := range secrets.Random(codeSize) {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		if i == 0 {
			r = byte(position - 1 + codeCount*int(r%3))
		}
		b.WriteByte(codeLetters[r%32]) // 256 is a multiple of 32: each is equally likely
	}
	return b.String()
}

// positionOf reads the position out of a code; 0 is none.
func positionOf(code string) int {
	if len(code) != codeSize {
		return 0
	}
	if i := strings.IndexByte(codeLetters, code[0]); i >= 0 {
		return i%codeCount + 1
	}
	return 0
}

// codeSet is ten codes and what the database keeps of them.
type codeSet struct {
	shown, hashes []string
}

// newCodes makes a set, outside of every transaction.
func (f *Flow) newCodes(ctx context.Context) (set codeSet, err error) {
	for i := range codeCount {
		code := newCode(i + 1)
		hash, err := f.Passwords.Hash(ctx, spellingsOf(code)[0])
		if err != nil {
			return codeSet{}, err
		}
		set.shown, set.hashes = append(set.shown, code), append(set.hashes, hash)
	}
	return set, nil
}

// writeCodes replaces the set of an account.
func writeCodes(tx *gorm.DB, user models.ID, set codeSet, now models.Time) error {
	if err := tx.Exec(`DELETE FROM recovery_codes WHERE user_id = ?`, user).Error; err != nil {
		return err
	}
	rows := make([]models.RecoveryCode, len(set.hashes))
	for i, hash := range set.hashes {
		rows[i] = models.RecoveryCode{UserID: user, Position: i + 1, Hash: hash, CreatedAt: now}
	}
	return tx.Create(&rows).Error
}
