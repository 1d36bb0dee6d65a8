package signin

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// ErrFactor answers the right first factor of an account whose second one is of
// a kind that nothing here can ask for: the first alone must never open what
// its owner protects with more (security rule 1).
var ErrFactor = apperr.New(apperr.Forbidden, "factor_not_supported")

// ErrMustChange answers the right password whose hash is too weak to keep.
var ErrMustChange = apperr.New(apperr.Forbidden, "password_change_required")

// Factors keeps the second factors of accounts: the tables totp_factors,
// passkeys and recovery_codes. It needs no Flow, so that it can be built first.
type Factors struct {
	db  *database.DB
	box *secrets.Box
}

// NewFactors builds the store.
func NewFactors(db *database.DB, box *secrets.Box) *Factors { return &Factors{db: db, box: box} }

// Store is what accounts moves and erases factors with.
func (f *Factors) Store() accounts.FactorStore {
	return accounts.FactorStore{None: noFactor, Import: f.Import, Export: f.Export, Known: f.Known, Describe: f.Describe, Erase: f.Erase}
}

// noFactor is true for a row of users without a second factor.
const noFactor = `NOT EXISTS (SELECT 1 FROM totp_factors WHERE totp_factors.user_id = users.id) AND
 NOT EXISTS (SELECT 1 FROM passkeys WHERE passkeys.user_id = users.id)`

// inUpdate are the methods that noFactor knows of: an UPDATE under it opens
// nothing for an account that has one, so that nobody needs to ask before.
var inUpdate = map[string]bool{"totp": true, "passkey": true}

const heldSQL = `SELECT (SELECT COUNT(*) FROM totp_factors WHERE user_id = ?) AS totp,
 (SELECT COUNT(*) FROM passkeys WHERE user_id = ?) AS passkeys,
 (SELECT COUNT(*) FROM recovery_codes WHERE user_id = ? AND used_at IS NULL) AS recovery_codes`

// Held counts the factors of an account, in one statement.
func (f *Factors) Held(ctx context.Context, user models.ID) (h Held, err error) {
	err = f.db.ReadRow(ctx, heldSQL, user, user, user).Scan(&h.TOTP, &h.Passkeys, &h.RecoveryCodes)
	return h, database.Unavailable(err)
}

// Import adds the factors of accounts that have none.
func (f *Factors) Import(tx *gorm.DB, list []accounts.Factors) error {
	for i := range list {
		if err := f.add(tx, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *Factors) add(tx *gorm.DB, in *accounts.Factors) error {
	if t := in.TOTP; t != nil {
		row := models.TOTPFactor{
			UserID: in.User, Seed: f.box.Seal(seedTable, seedColumn, in.User.Bytes(), t.Secret),
			Algorithm: t.Algorithm, Digits: t.Digits, Period: t.Period, CreatedAt: in.CreatedAt,
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	for _, p := range in.Passkeys {
		row := passkeyRow(in, p)
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	for i, hash := range in.RecoveryCodes {
		row := models.RecoveryCode{UserID: in.User, Position: i + 1, Hash: hash, CreatedAt: in.CreatedAt}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	return nil
}

// Where the sealed seeds stand, which is part of what seals them.
const seedTable, seedColumn = "totp_factors", "seed"

func passkeyRow(in *accounts.Factors, p accounts.Passkey) models.Passkey {
	row := models.Passkey{
		ID: models.NewID(), UserID: in.User, CredentialID: p.CredentialID, PublicKey: p.PublicKey, SignCount: p.SignCount,
		Transports: models.JoinWords(p.Transports), BackupEligible: flag(p.BackupEligible), BackupState: flag(p.BackupState),
		RPID: p.RPID, UserHandle: notNil(p.UserHandle), Name: p.Name, CreatedAt: in.CreatedAt,
	}
	if id, err := models.ParseID(p.AAGUID); err == nil {
		row.AAGUID = id
	}
	if p.CreatedAt != nil {
		row.CreatedAt = models.At(*p.CreatedAt)
	}
	if p.LastUsedAt != nil {
		row.LastUsedAt = models.At(*p.LastUsedAt)
	}
	return row
}

func flag(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Known tells whose these credential ids are.
func (f *Factors) Known(tx *gorm.DB, credentials [][]byte) (map[string]models.ID, error) {
	known := map[string]models.ID{}
	for len(credentials) > 0 {
		n := min(len(credentials), 500)
		var rows []models.Passkey
		err := tx.Select("credential_id", "user_id").Where("credential_id IN ?", credentials[:n]).Find(&rows).Error
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			known[string(r.CredentialID)] = r.UserID
		}
		credentials = credentials[n:]
	}
	return known, nil
}

// Export reads the factors of the accounts after one id and up to another.
// Codes that were used are left out, as they open nothing any more.
func (f *Factors) Export(tx *gorm.DB, after, upTo models.ID) (map[models.ID]*accounts.Factors, error) {
	found := map[models.ID]*accounts.Factors{}
	of := func(user models.ID) *accounts.Factors {
		if found[user] == nil {
			found[user] = &accounts.Factors{User: user}
		}
		return found[user]
	}
	// bounds are bytes, because the zero id, with which an export begins, would
	// be NULL.
	bounds := func() *gorm.DB { return tx.Where("user_id > ?", after.Bytes()).Where("user_id <= ?", upTo.Bytes()) }
	var seeds []models.TOTPFactor
	if err := bounds().Find(&seeds).Error; err != nil {
		return nil, err
	}
	for _, s := range seeds {
		secret, err := f.box.Open(seedTable, seedColumn, s.UserID.Bytes(), s.Seed)
		if err != nil {
			return nil, err
		}
		of(s.UserID).TOTP = &accounts.TOTP{Secret: secret, Algorithm: s.Algorithm, Digits: s.Digits, Period: s.Period}
	}
	var keys []models.Passkey
	if err := bounds().Order("user_id, id").Find(&keys).Error; err != nil {
		return nil, err
	}
	for _, k := range keys {
		of(k.UserID).Passkeys = append(of(k.UserID).Passkeys, passkeyOf(k))
	}
	var codes []models.RecoveryCode
	if err := bounds().Where("used_at IS NULL").Order("user_id, position").Find(&codes).Error; err != nil {
		return nil, err
	}
	for _, c := range codes {
		of(c.UserID).RecoveryCodes = append(of(c.UserID).RecoveryCodes, c.Hash)
	}
	return found, nil
}

func passkeyOf(k models.Passkey) accounts.Passkey {
	p := accounts.Passkey{
		CredentialID: k.CredentialID, PublicKey: k.PublicKey, SignCount: k.SignCount, Transports: k.Transports.List(),
		BackupEligible: k.BackupEligible != 0, BackupState: k.BackupState != 0, RPID: k.RPID, UserHandle: k.UserHandle,
		Name: k.Name, CreatedAt: moment(k.CreatedAt), LastUsedAt: moment(k.LastUsedAt),
	}
	if !k.AAGUID.IsZero() {
		p.AAGUID = k.AAGUID.String()
	}
	return p
}

func moment(t models.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t.Time
}

// Erase forgets every factor of an account, and what was under way with one.
func (f *Factors) Erase(tx *gorm.DB, user models.ID) error {
	return deleteFrom(tx, lostTables+" signin_attempts", user)
}

// lostTables hold what somebody forgets who has lost every second factor.
const lostTables = "totp_factors passkeys recovery_codes passkey_offers totp_enrolments trusted_devices"

func deleteFrom(tx *gorm.DB, tables string, user models.ID) error {
	for table := range strings.FieldsSeq(tables) {
		if err := tx.Exec(`DELETE FROM `+table+` WHERE user_id = ?`, user).Error; err != nil {
			return err
		}
	}
	return nil
}

// Reseal seals under the new SECRET_KEY what the old one sealed. A seed that
// opens with neither is counted as lost and left as it is.
func (f *Factors) Reseal(ctx context.Context) (changed, lost int, err error) {
	after := models.ID{}
	for {
		var page []models.TOTPFactor
		err := f.db.Read(ctx).Where("user_id > ?", after.Bytes()).Order("user_id").Limit(500).Find(&page).Error
		if err != nil || len(page) == 0 {
			return changed, lost, database.Unavailable(err)
		}
		for _, row := range page {
			again, need, err := f.box.Reseal(seedTable, seedColumn, row.UserID.Bytes(), row.Seed)
			switch {
			case err != nil:
				lost++
			case need:
				n, err := f.db.Exec(ctx, `UPDATE totp_factors SET seed = ? WHERE user_id = ? AND seed = ?`, again, row.UserID, row.Seed)
				if err != nil {
					return changed, lost, err
				}
				changed += int(n)
			}
		}
		after = page[len(page)-1].UserID
	}
}
