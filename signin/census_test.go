package signin

import (
	"testing"

	"gatehouse/accounts"
)

func TestTheCensusCountsAccountsByTheirFactors(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		count := func(want Census) {
			t.Helper()
			if got, err := h.Factors.Count(h.ctx()); err != nil || got != want {
				t.Errorf("%+v %v, want %+v", got, err, want)
			}
		}
		count(Census{})
		ada, bo := h.person("ada@harbour.example", "ada"), h.person("bo@harbour.example", "bo")
		h.person("cy@harbour.example", "cy")
		count(Census{None: 3})
		h.enroll(accounts.Factors{User: ada.ID, TOTP: someTOTP, RecoveryCodes: []string{digestOf("another")}})
		h.enroll(accounts.Factors{User: bo.ID, TOTP: someTOTP})
		h.passkey(bo, h.authenticator())
		count(Census{None: 1, One: 1, Several: 1})
	})
}
