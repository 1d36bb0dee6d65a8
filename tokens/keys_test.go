package tokens

import (
	"testing"

	"gatehouse/internal/apperr"
	"gatehouse/models"
)

func TestARevokedKeyEndsAllThatItSignedForEver(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		s := r.browser(r.person("anna"))
		before, err := r.Access.ForSession(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		ring := r.deps.Keys
		p, err := r.verifierOf(ring).Verify(t.Context(), before.Token.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.RevokeKeys(t.Context(), []string{ring.Signer().KID}); err != nil {
			t.Fatal(err)
		}
		if !r.Log.Revoked(p) {
			t.Error("a token under the key still passes")
		}
		var row models.RevocationOutbox
		if err := r.deps.DB.Read(t.Context()).Where("kind = ?", EntryKey).Take(&row).Error; err != nil || string(row.Target) != p.KeyID || !row.Until.IsZero() {
			t.Errorf("the entry is %+v, %v", row, err)
		}
		after, err := r.Access.ForSession(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if p, err = r.verifierOf(ring).Verify(t.Context(), after.Token.Reveal()); err != nil || r.Log.Revoked(p) {
			t.Errorf("a new token of the same session is refused: %v", err)
		}
	})
}

func TestWithoutACurrentKeyTheAnswerIsToTryLater(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		s := r.browser(r.person("anna"))
		if _, err := r.deps.DB.Exec(t.Context(), "UPDATE signing_keys SET state = 'revoked'"); err != nil {
			t.Fatal(err)
		}
		if err := r.deps.Keys.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := r.Access.ForSession(t.Context(), s.ID)
		if e := apperr.From(err); e == nil || e.Kind != apperr.Unavailable || e.RetryAfter <= 0 {
			t.Errorf("got %v", err)
		}
	})
}
