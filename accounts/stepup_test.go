package accounts

import (
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/tokens"
)

// The age at both ends, and each level against each (security rule 12).
func TestAProofIsFreshStrongAndSomebodys(t *testing.T) {
	now, user := testkit.NewClock().Now(), models.NewID()
	for _, c := range []struct {
		proof tokens.Proof
		level string
		ok    bool
	}{
		{tokens.Proof{User: user, At: now}, "", true},
		{tokens.Proof{User: user, At: now.Add(-tokens.ProofAge)}, tokens.AAL1, true},
		{tokens.Proof{User: user, At: now.Add(-tokens.ProofAge - 1)}, tokens.AAL1, false},
		{tokens.Proof{User: user, At: now.Add(tokens.ProofAge + 1)}, tokens.AAL1, false},
		{tokens.Proof{User: user, At: now, AAL: tokens.AAL1}, tokens.AAL2, false},
		{tokens.Proof{User: user, At: now}, tokens.AAL2, false},
		{tokens.Proof{User: user, At: now, AAL: tokens.AAL2}, tokens.AAL2, true},
		{tokens.Proof{User: user, At: now.Add(-time.Hour), AAL: tokens.AAL2}, tokens.AAL2, false},
		{tokens.Proof{User: user, At: now, AAL: tokens.AAL2}, "aal3", false},
		{tokens.Proof{User: user, AAL: tokens.AAL2}, "", false},
		{tokens.Proof{At: now, AAL: tokens.AAL2}, "", false},
		{tokens.Proof{}, "", false},
	} {
		err := CheckProof(c.proof, c.level, now)
		if (err == nil) != c.ok || err != nil && !ErrStepUp.Is(err) {
			t.Errorf("%+v for %q: %v", c.proof, c.level, err)
		}
	}
}
