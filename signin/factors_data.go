package signin

import (
	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/models"
)

// Describe says which factors an account has, and nothing that opens it: no
// seed, no key, no hash.
func (f *Factors) Describe(tx *gorm.DB, user models.ID) (*accounts.FactorFacts, error) {
	facts := &accounts.FactorFacts{Passkeys: []accounts.PasskeyFacts{}}
	var seeds []models.TOTPFactor
	if err := tx.Select("user_id", "algorithm", "digits", "period", "created_at").Where("user_id = ?", user).Find(&seeds).Error; err != nil {
		return nil, err
	}
	for _, s := range seeds {
		facts.TOTP = &accounts.TOTPFacts{AddedAt: moment(s.CreatedAt), Algorithm: s.Algorithm, Digits: s.Digits, Period: s.Period}
	}
	var keys []models.Passkey
	err := tx.Select("id", "name", "transports", "backup_state", "rp_id", "created_at", "last_used_at").
		Where("user_id = ?", user).Order("id").Find(&keys).Error
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		facts.Passkeys = append(facts.Passkeys, accounts.PasskeyFacts{
			ID: k.ID.String(), Name: k.Name, Domain: k.RPID, Transports: k.Transports.List(), BackedUp: k.BackupState != 0,
			AddedAt: moment(k.CreatedAt), LastUsedAt: moment(k.LastUsedAt),
		})
	}
	var codes []models.RecoveryCode
	if err := tx.Select("user_id", "position", "used_at").Where("user_id = ?", user).Find(&codes).Error; err != nil {
		return nil, err
	}
	for _, c := range codes {
		if c.UsedAt.IsZero() {
			facts.RecoveryCodesLeft++
		} else {
			facts.RecoveryCodesUsed++
		}
	}
	facts.TrustedBrowsers, err = trustedFacts(tx, user)
	return facts, err
}

// trustedFacts are the rows that are kept, those that are over as well: what is
// known of somebody is no less known when it is of no use any more.
func trustedFacts(tx *gorm.DB, user models.ID) ([]accounts.TrustedFacts, error) {
	var rows []models.TrustedDevice
	err := tx.Select("id", "user_agent", "uses", "created_at", "expires_at", "last_used_at").
		Where("user_id = ?", user).Order("id").Find(&rows).Error
	facts := make([]accounts.TrustedFacts, len(rows))
	for i, r := range rows {
		facts[i] = accounts.TrustedFacts{
			ID: r.ID.String(), UserAgent: r.UserAgent, Uses: r.Uses,
			TrustedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt), LastUsedAt: moment(r.LastUsedAt),
		}
	}
	return facts, err
}
