package accounts

import (
	"testing"

	"gatehouse/audit"
)

func TestAWrongCodeAndAWrongSignUpPasswordAreOnRecord(t *testing.T) {
	h := newHouse(t, sqlite(t))
	attempt, m := h.signUp("ada@example.com", "")
	failures := func() int64 {
		return h.count("SELECT COUNT(*) FROM audit_events WHERE action = ? AND outcome = 'failure' AND subject_id IS NOT NULL", string(audit.SignupVerified))
	}
	_, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: "000000", Client: visitor})
	wantReason(t, err, "code_wrong")
	if failures() != 1 {
		t.Error("a wrong code left no record")
	}
	_, err = h.Verify(h.ctx(), VerifyInput{Token: h.linkToken(m), Password: "not the password", Client: visitor})
	wantField(t, err, "password", "wrong")
	if failures() != 2 {
		t.Error("a wrong password left no record")
	}
}
