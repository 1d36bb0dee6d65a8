package accounts

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// keysOf are the unique names of a row, each with a letter for its kind.
func (r *row) keysOf() []keyed {
	keys := append(make([]keyed, 0, 4), keyed{"e" + string(r.user.EmailKey), "email"})
	if r.from.ID != "" {
		keys = append(keys, keyed{"i" + string(r.user.ID[:]), "id"})
	}
	if r.external != nil {
		keys = append(keys, keyed{"x" + string(r.external), "external_id"})
	}
	if len(r.user.UsernameKey) > 0 {
		keys = append(keys, keyed{"u" + string(r.user.UsernameKey), "username"})
	}
	for _, p := range r.factors.Passkeys {
		keys = append(keys, keyed{"c" + string(p.CredentialID), "passkeys"})
	}
	return keys
}

type keyed struct{ key, field string }

// apart refuses rows that were wrong and rows that name somebody of the same
// batch again, and returns the others.
func (m *importer) apart(rows []*row) (open []*row) {
	seen := make(map[string]int64, 3*len(rows))
	for _, r := range rows {
		var keys []keyed
		if r.refused == nil {
			keys = r.keysOf()
		}
		for _, k := range keys {
			if first, ok := seen[k.key]; ok {
				r.blame(k.field, fmt.Sprintf("row %d has the same", first))
			}
		}
		if r.refused != nil {
			m.refuse(r.refused)
			continue
		}
		for _, k := range keys {
			seen[k.key] = r.from.Row
		}
		open = append(open, r)
	}
	return open
}

// there is who has the names of some rows.
type there map[string]models.ID

// lookupChunk bounds the parameters of one query.
const lookupChunk = 250

func (m *importer) there(ctx context.Context, rows []*row) (there, error) {
	found := there{}
	err := m.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		for rest := rows; len(rest) > 0; {
			n := min(len(rest), lookupChunk)
			if err := m.look(tx, rest[:n], found); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
	return found, database.Unavailable(err)
}

func (m *importer) look(tx *gorm.DB, rows []*row, found there) error {
	reserved, err := m.reservedOf(tx, rows)
	if err != nil {
		return err
	}
	for key, owner := range reserved {
		if key[0] == 'u' { // an address makes a row the account that has it, and this one has it no more
			found[key] = owner
		} else {
			found["kept "+key] = owner
		}
	}
	var ids []models.ID
	var emails, names, externals, credentials [][]byte
	for _, r := range rows {
		emails = append(emails, r.user.EmailKey)
		if r.from.ID != "" {
			ids = append(ids, r.user.ID)
		}
		if len(r.user.UsernameKey) > 0 {
			names = append(names, r.user.UsernameKey)
		}
		if r.external != nil {
			externals = append(externals, r.external)
		}
		for _, p := range r.factors.Passkeys {
			credentials = append(credentials, p.CredentialID)
		}
	}
	users := func(q *gorm.DB) error {
		var list []models.User
		err := q.Select("id", "email_key", "username_key").Find(&list).Error
		for _, u := range list {
			found["i"+string(u.ID[:])] = u.ID
			found["e"+string(u.EmailKey)] = u.ID
			if len(u.UsernameKey) > 0 {
				found["u"+string(u.UsernameKey)] = u.ID
			}
		}
		return err
	}
	if err := users(tx.Where("email_key IN ?", emails)); err != nil {
		return err
	}
	if len(ids) > 0 {
		if err := users(tx.Where("id IN ?", ids)); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		if err := users(tx.Where("username_key IN ?", names)); err != nil {
			return err
		}
	}
	return m.lookOthers(tx, externals, credentials, found)
}

func (m *importer) lookOthers(tx *gorm.DB, externals, credentials [][]byte, found there) error {
	if len(externals) > 0 {
		var list []models.ExternalID
		if err := tx.Where("external_id IN ?", externals).Find(&list).Error; err != nil {
			return err
		}
		for _, x := range list {
			found["x"+string(x.ExternalID)] = x.UserID
		}
	}
	if len(credentials) > 0 {
		known, err := m.Factors.Known(tx, credentials)
		if err != nil {
			return err
		}
		for credential, user := range known {
			found["c"+credential] = user
		}
	}
	return nil
}

// sort counts rows whose account is there, refuses rows that want a name of
// somebody else, and returns the others.
func (m *importer) sort(rows []*row, found there) (open []*row) {
	for _, r := range rows {
		account, field, is := r.account(found)
		before, ours := m.rows[short(account)]
		switch {
		case is && ours:
			// The account came from this very file: the row is there twice.
			r.blame(field, fmt.Sprintf("row %d has the same", before))
		case is:
			m.done.Present++
			m.remember(account, r.from.Row)
			continue
		default:
			m.clash(r, found)
		}
		if r.refused != nil {
			m.refuse(r.refused)
			continue
		}
		open = append(open, r)
	}
	return open
}

// account finds the account that a row is: by id, else by external id, else,
// for rows that have neither, by address.
func (r *row) account(found there) (id models.ID, field string, is bool) {
	if r.from.ID != "" {
		if id, is = found["i"+string(r.user.ID[:])]; is {
			return id, "id", true
		}
	}
	if r.external != nil {
		id, is = found["x"+string(r.external)]
		return id, "external_id", is
	}
	if r.from.ID == "" {
		id, is = found["e"+string(r.user.EmailKey)]
	}
	return id, "email", is
}

// clash refuses a row that wants a name of another account.
func (m *importer) clash(r *row, found there) {
	for _, k := range r.keysOf() {
		other, taken := found[k.key]
		if !taken {
			other, taken = found["kept "+k.key]
		}
		if !taken || other == r.user.ID {
			continue
		}
		if before, ours := m.rows[short(other)]; ours {
			r.blame(k.field, fmt.Sprintf("row %d has the same", before))
		} else {
			r.blame(k.field, "the account "+other.String()+", which was there before, has it")
		}
		return
	}
}
