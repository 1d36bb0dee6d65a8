package keys_test

import (
	"errors"
	"slices"
	"testing"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
)

func TestRenewEndsEveryKeyAndNamesThoseThatOnlyMemoryKnows(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		r := g.open(t, keys.ES256)
		stolen := r.Signer().KID
		if err := r.Revoke(t.Context(), []string{stolen}, commit(t, g)); err != nil {
			t.Fatal(err)
		}
		statement(t, db, "CREATE TABLE backup_keys AS SELECT * FROM signing_keys")
		statement(t, db, "CREATE TABLE backup_slots AS SELECT * FROM key_slots")
		if _, err := r.Rotate(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		lost := r.Public()[1].KID // the next key: made after the backup
		before := all(t, r)
		refresh, cursor := r.MACKey(keys.PurposeRefresh), r.MACKey(keys.PurposeCursor)
		statement(t, db, "DELETE FROM signing_keys")
		statement(t, db, "DELETE FROM key_slots")
		statement(t, db, "INSERT INTO signing_keys SELECT * FROM backup_keys")
		statement(t, db, "INSERT INTO key_slots SELECT * FROM backup_slots")

		var refused []string
		err := r.Renew(t.Context(), []string{keys.PurposeRefresh}, func(change func(*gorm.DB) ([]string, error)) error {
			return db.Write(t.Context(), func(tx *gorm.DB) (err error) {
				refused, err = change(tx)
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, kid := range append(before, stolen, lost) {
			if !slices.Contains(refused, kid) {
				t.Errorf("%s is not refused for ever", kid)
			}
		}
		after := all(t, r)
		for _, kid := range after {
			if slices.Contains(refused, kid) {
				t.Errorf("%s is in use again", kid)
			}
		}
		if len(after) != 6 {
			t.Errorf("%d keys, want a current and a next one for three purposes", len(after))
		}
		signs(t, r, r.Signer())
		if feed := r.SignerFor(keys.PurposeFeed); !slices.Contains(after, feed.KID) || feed.Key == nil {
			t.Error("nothing signs the feed")
		}
		if string(r.MACKey(keys.PurposeRefresh)) != string(refresh) {
			t.Error("the secret that was to be kept is another one")
		}
		if c := r.MACKey(keys.PurposeCursor); len(c) == 0 || string(c) == string(cursor) {
			t.Error("places in the log of before are still genuine")
		}
		if again := g.open(t, keys.ES256); again.Signer().KID != r.Signer().KID {
			t.Error("another process has another key")
		}
	})
}

func statement(t *testing.T, db *database.DB, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// all are the ids of the keys that are published, of all purposes.
func all(t *testing.T, r *keys.Ring) (kids []string) {
	t.Helper()
	for _, purpose := range []string{keys.PurposeAccess, keys.PurposeFeed, keys.PurposeData} {
		for _, k := range r.PublicFor(purpose) {
			kids = append(kids, k.KID)
		}
	}
	return kids
}

func TestCheckSaysWhetherSecretKeyOpensTheKeys(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		g := newGround(t, db)
		g.open(t, keys.ES256)
		o := g.options(keys.ES256)
		if err := keys.Check(t.Context(), o); err != nil {
			t.Error(err)
		}
		if o.Box = otherBox(t); !errors.Is(keys.Check(t.Context(), o), keys.ErrSecretKey) {
			t.Error("another key opens them")
		}
	})
}
