package keys

import (
	"context"
	"errors"
	"maps"
	"slices"

	"gorm.io/gorm"

	"gatehouse/internal/database"
)

// Renew is for a database that went back in time: it ends every key that signs
// or ever signed, of every purpose, and makes new ones that sign at once. A key
// that was revoked since is current again in such a database; who stole it must
// not get it back. The secrets for MACs are made anew, too, except for the
// purposes in keep.
//
// commit runs the change in the transaction of everything else that ends; the
// change answers the ids that must be refused for ever: the keys of this
// database, those it had revoked, and those that this process knew before it.
func (r *Ring) Renew(ctx context.Context, keep []string, commit func(change func(tx *gorm.DB) ([]string, error)) error) error {
	refused := map[string]bool{}
	addPairs(refused, r.view.Load())
	for range maxTries {
		err := r.renew(ctx, keep, refused, commit)
		if err == nil {
			return r.Reload(ctx)
		}
		if !errors.Is(err, errTaken) {
			return err
		}
	}
	return errBusy
}

func (r *Ring) renew(ctx context.Context, keep []string, refused map[string]bool, commit func(change func(tx *gorm.DB) ([]string, error)) error) error {
	if err := r.Reload(ctx); err != nil {
		return err
	}
	v := r.view.Load()
	rows, err := r.List(ctx)
	if err != nil {
		return database.Unavailable(err)
	}
	for _, row := range rows {
		if row.Alg != algMAC {
			refused[row.KID] = true
		}
	}
	var pairs []string
	for kid, key := range v.opened {
		if key.signer != nil {
			pairs, refused[kid] = append(pairs, kid), true
		}
	}
	slices.Sort(pairs)
	bare := v.without(pairs)
	bare.macs = maps.Clone(v.macs)
	maps.DeleteFunc(bare.macs, func(purpose string, _ []byte) bool { return !slices.Contains(keep, purpose) })
	steps, err := r.plan(bare, never)
	if err != nil {
		return err
	}
	kids := slices.Sorted(maps.Keys(refused))
	return commit(func(tx *gorm.DB) ([]string, error) {
		if err := r.revoke(tx, v, pairs); err != nil {
			return nil, err
		}
		return kids, r.apply(tx, steps)
	})
}

// addPairs adds the ids of all pairs of keys in v.
func addPairs(kids map[string]bool, v *view) {
	for kid, key := range v.opened {
		if key.signer != nil {
			kids[kid] = true
		}
	}
}
