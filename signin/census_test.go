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
		count(Census{Accounts: 3, None: 3})
		h.enroll(accounts.Factors{User: ada.ID, TOTP: someTOTP, RecoveryCodes: []string{digestOf("another")}})
		h.enroll(accounts.Factors{User: bo.ID, TOTP: someTOTP})
		h.passkey(bo, h.authenticator())
		h.passkey(bo, h.authenticator())
		count(Census{Accounts: 3, None: 1, One: 1, Several: 1, Passkey: 1, TOTP: 2, Recovery: 1})
		if _, err := h.db.Exec(h.ctx(), `UPDATE recovery_codes SET used_at = 1`); err != nil {
			t.Fatal(err)
		}
		count(Census{Accounts: 3, None: 1, One: 1, Several: 1, Passkey: 1, TOTP: 2})
	})
}

// A role is a word: "administrator" and "downer" are others.
func TestTheCensusNamesAdministratorsWithoutAFactor(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for login, roles := range map[string]string{
			"owner": "owner", "admin": "admin", "both": "admin owner", "first": "admin editor", "last": "editor admin",
			"between": "editor owner reader", "none": "", "other": "administrator", "near": "downer adminx",
		} {
			u := h.person(login+"@harbour.example", login)
			if _, err := h.db.Exec(h.ctx(), `UPDATE users SET roles = ? WHERE id = ?`, roles, u.ID); err != nil {
				t.Fatal(err)
			}
			if login == "both" {
				h.passkey(u, h.authenticator())
			}
			if login == "last" {
				h.enroll(accounts.Factors{User: u.ID, TOTP: someTOTP})
			}
		}
		c, err := h.Factors.Count(h.ctx())
		if err != nil || c.Admins != 6 || c.AdminsNone != 4 {
			t.Errorf("%+v %v", c, err)
		}
		list, err := h.Factors.AdminsWithout(h.ctx())
		names := map[string]bool{}
		for _, u := range list {
			names[*u.Username] = true
		}
		if err != nil || len(list) != 4 || !names["owner"] || !names["admin"] || !names["first"] || !names["between"] {
			t.Errorf("%v %v", names, err)
		}
	})
}
