package accounts

import (
	"gorm.io/gorm"

	"gatehouse/models"
)

// reservedOf tells which names of some rows wait for somebody who gave them up
// (reserved.go), by the same keys as keysOf.
func (m *importer) reservedOf(tx *gorm.DB, rows []*row) (there, error) {
	found, now := there{}, m.now()
	var any []models.ReservedName
	if err := tx.Where("until > ?", now).Limit(1).Find(&any).Error; err != nil || len(any) == 0 {
		return found, err // as good as always, and then it costs one look
	}
	for len(rows) > 0 {
		n := min(len(rows), lookupChunk)
		var keys [][]byte
		for _, r := range rows[:n] {
			keys = append(keys, r.user.EmailKey)
			if len(r.user.UsernameKey) > 0 {
				keys = append(keys, r.user.UsernameKey)
			}
		}
		var list []models.ReservedName
		if err := tx.Where("until > ?", now).Where("name_key IN ?", keys).Find(&list).Error; err != nil {
			return nil, err
		}
		for _, kept := range list {
			kind := "u"
			if kept.Kind == keptEmail {
				kind = "e"
			}
			found[kind+string(kept.NameKey)] = kept.UserID
		}
		rows = rows[n:]
	}
	return found, nil
}

// errReserved has a batch looked at with care.
var errReserved = gorm.ErrDuplicatedKey

// unreserved fails when a name that was just claimed waits for somebody else.
// It is asked after the claim, for the reason that claimed gives.
func (m *importer) unreserved(tx *gorm.DB, rows []*row) error {
	reserved, err := m.reservedOf(tx, rows)
	if err != nil || len(reserved) == 0 {
		return err
	}
	for _, r := range rows {
		for _, k := range r.keysOf() {
			if owner, ok := reserved[k.key]; ok && owner != r.user.ID {
				return errReserved
			}
		}
	}
	return nil
}
