package verify

import (
	"net/http"
	"strings"
	"time"
)

// RequireAAL lets through whose session has shown enough: 2 asks for two
// factors (NIST SP 800-63B-4, section 2.2), 1 for one. It stands behind Handler
// and refuses with 401 and the challenge of RFC 9470, which the client answers
// with a stronger token. Personal tokens never pass: no sign-in stands behind them.
func RequireAAL(level int) func(http.Handler) http.Handler {
	return guard(func(p *Principal) error { return CheckAAL(p, level) })
}

// RequireRecent lets through who proved themselves within maxAge.
func (v *Verifier) RequireRecent(maxAge time.Duration) func(http.Handler) http.Handler {
	return guard(func(p *Principal) error { return v.CheckRecent(p, maxAge) })
}

// RequireProof is RequireAAL and RequireRecent in one, so that the challenge
// names both and the client asks its person once.
func (v *Verifier) RequireProof(level int, maxAge time.Duration) func(http.Handler) http.Handler {
	return guard(func(p *Principal) error { return v.CheckProof(p, level, maxAge) })
}

// CheckAAL answers insufficient_user_authentication unless the token says that
// its session has reached the level.
func CheckAAL(p *Principal, level int) error {
	if reaches(p, level) {
		return nil
	}
	return stepUp(acrOf(level), 0)
}

// CheckRecent answers insufficient_user_authentication unless auth_time is no
// older than maxAge. A token that does not say is too old.
func (v *Verifier) CheckRecent(p *Principal, maxAge time.Duration) error {
	if v.recent(p, maxAge) {
		return nil
	}
	return stepUp("", maxAge)
}

// CheckProof is CheckAAL and CheckRecent in one.
func (v *Verifier) CheckProof(p *Principal, level int, maxAge time.Duration) error {
	if reaches(p, level) && v.recent(p, maxAge) {
		return nil
	}
	return stepUp(acrOf(level), maxAge)
}

// recent allows for clocks that differ as iat does, to the future alone: a proof
// that is to come must not last longer than one of now.
func (v *Verifier) recent(p *Principal, maxAge time.Duration) bool {
	age := v.clock().Sub(p.AuthTime)
	return !p.Personal && !p.AuthTime.IsZero() && age <= maxAge && age >= -leeway
}

// reaches compares levels and not words: what is no level of ours reaches none.
func reaches(p *Principal, level int) bool {
	if p.Personal || len(p.ACR) != len("aal1") || !strings.HasPrefix(p.ACR, "aal") {
		return false
	}
	has := int(p.ACR[3] - '0')
	return has >= 1 && has <= 3 && has >= level
}

func acrOf(level int) string {
	switch {
	case level >= 3:
		return "aal3"
	case level == 2:
		return "aal2"
	}
	return "aal1"
}

func stepUp(acr string, maxAge time.Duration) *Error {
	return &Error{Code: CodeStepUp, Reason: "step_up_required", acr: acr, maxAge: maxAge,
		Description: "This needs a fresher or stronger proof of who you are."}
}
