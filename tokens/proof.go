package tokens

import (
	"time"

	"gatehouse/models"
)

// ProofAge is how fresh a proof must be for changes of sessions, tokens,
// passwords and factors (security rule 12; ASVS 5.0, 7.5.1). It is the one
// number behind every guard.
const ProofAge = 5 * time.Minute

// Levels of assurance (NIST SP 800-63B-4, sections 2.1 and 2.2), the values of
// the claim "acr".
const (
	AAL1 = "aal1" // one factor
	AAL2 = "aal2" // two
)

// Proof says that somebody proved who they are. signin.Reauth makes one, and a
// session or an access token carries the one it began with or got since;
// accounts.StepUp judges it (security rule 12).
type Proof struct {
	User    models.ID
	Session models.ID
	At      time.Time
	AAL     string
}

// Recent reports whether the proof is young enough at now. One from the future
// is none: a clock that was set back must not make it last.
func (p Proof) Recent(now time.Time) bool {
	age := now.Sub(p.At)
	return !p.At.IsZero() && age <= ProofAge && age >= -ProofAge
}

// Reaches reports whether the proof is of a level or above it. Every proof has
// shown one factor; a level that is not known is reached by nothing.
func (p Proof) Reaches(level string) bool {
	return level == "" || level == AAL1 || level == AAL2 && p.AAL == AAL2
}

// Proof is what the person of a session has shown, and when.
func (s *Session) Proof() Proof {
	return Proof{User: s.UserID, Session: s.ID, At: s.AuthTime.Time, AAL: s.ACR}
}
