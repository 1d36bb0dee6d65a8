package tokens

import (
	"context"

	"gorm.io/gorm"
)

// RevokeKeys ends signing keys in an emergency, and with each everything that
// was ever signed by it, for ever: the end of the key and the entry in the
// revocation log are one transaction. If one was the current key, another one
// signs at once. The errors are those of keys.Ring.Revoke.
func (s *Service) RevokeKeys(ctx context.Context, kids []string) error {
	entries := make([]Entry, len(kids))
	for i, kid := range kids {
		entries[i] = Entry{Kind: EntryKey, Target: []byte(kid)}
	}
	return s.Access.deps.Keys.Revoke(ctx, kids, func(change func(tx *gorm.DB) error) error {
		return s.Log.Write(ctx, func(tx *gorm.DB) error {
			if err := change(tx); err != nil {
				return err
			}
			return s.Log.Append(tx, entries...)
		})
	})
}
