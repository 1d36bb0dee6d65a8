package signin

import (
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

const trustTTL = 30 * 24 * time.Hour

func trusting(d *Deps) { d.Config.TrustedDeviceTTL = trustTTL }

// browse begins a sign-in with the password in a browser.
func (h *house) browse(by tokens.Client) Result {
	h.t.Helper()
	res, err := h.SignIn(h.ctx(), Input{Login: "mara", Password: right, Web: true, Client: by})
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

// asked reports whether a second factor is wanted in a browser.
func (h *house) asked(by tokens.Client) bool {
	h.t.Helper()
	return len(h.browse(by).Next) > 0
}

// code completes a sign-in, with the box ticked or not.
func (h *house) code(half Result, by tokens.Client, trust bool) Result {
	h.t.Helper()
	res, err := h.Continue(h.ctx(), Step{
		Attempt: half.Attempt.Reveal(), Method: "totp", Secret: h.codeAt(0), Web: true, Client: by, Trust: trust,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.clock.Advance(30 * time.Second) // for the next code
	return res
}

// trusts is somebody with an app and a browser that is trusted.
func (h *house) trusts() (*models.User, tokens.Client) {
	h.t.Helper()
	u, _ := h.withTOTP()
	home := at(1)
	h.code(h.browse(home), home, true)
	if h.asked(home) {
		h.t.Fatal("the browser is asked all the same")
	}
	return u, home
}

func TestATrustedBrowserIsNotAskedAndSaysWhatWasShown(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, _ := h.withTOTP()
		home := at(1)
		if res := h.code(h.browse(home), home, false); res.Session.Cookie.IsZero() || !h.asked(home) {
			t.Error("a browser is trusted that nobody ticked")
		}
		h.code(h.browse(home), home, true)
		res := h.browse(home)
		s, err := h.Tokens.Sessions.ByID(h.ctx(), res.Session.ID)
		if err != nil || res.Session.Cookie.IsZero() || s.ACR != AAL1 || string(s.AMR) != "pwd" {
			t.Fatalf("%+v %v", s, err)
		}
		proof := tokens.Proof{User: u.ID, Session: s.ID, At: s.AuthTime.Time, AAL: s.ACR}
		if err := h.Accounts.StepUp(h.ctx(), proof); err == nil {
			t.Error("a trusted browser stands for a factor at a change of the account")
		}
		if h.recorded(audit.DeviceTrusted, "") != 1 {
			t.Error("nothing is on record")
		}
		box, err := h.Accounts.Mail.Inbox(h.ctx())
		if err != nil || len(box) == 0 || box[0].Purpose != mail.Notice {
			t.Error("nobody is told", err)
		}
		for what, by := range map[string]tokens.Client{
			"another browser": at(2), "no cookie": network(3), "another person's": {Browser: accounts.NewDevice()},
		} {
			if !h.asked(by) {
				t.Errorf("%s is not asked", what)
			}
		}
		if got := h.by(home, "mara", wrong); got != "invalid_credentials" {
			t.Error("the password is spared too:", got)
		}
		program, err := h.SignIn(h.ctx(), Input{Login: "mara", Password: right, Client: home})
		if err != nil || len(program.Next) == 0 {
			t.Error("a program is not asked", err)
		}
	}, trusting)
}

func TestATrustedBrowserIsOfOnePerson(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, home := h.trusts()
		bob := h.person("bob@example.com", "bob")
		h.enroll(accounts.Factors{User: bob.ID, TOTP: someTOTP})
		res, err := h.SignIn(h.ctx(), Input{Login: "bob", Password: right, Web: true, Client: home})
		if err != nil || len(res.Next) == 0 {
			t.Errorf("the other person of the browser is not asked: %v", err)
		}
	}, trusting)
}

func TestTrustEndsWithItsTimeAndItsCauses(t *testing.T) {
	type act func(h *house, u *models.User, home tokens.Client)
	write := func(h *house, fn func(tx *gorm.DB) error) {
		if err := h.db.Write(h.ctx(), fn); err != nil {
			h.t.Fatal(err)
		}
	}
	for what, end := range map[string]act{
		"its time": func(h *house, _ *models.User, _ tokens.Client) { h.clock.Advance(trustTTL) },
		"its owner": func(h *house, u *models.User, home tokens.Client) {
			list, err := h.TrustedDevices(h.ctx(), u)
			if err != nil || len(list) != 1 {
				h.t.Fatal(list, err)
			}
			if _, err := h.Distrust(h.ctx(), models.NewID(), list[0].ID, home); apperr.Reason(err) != "not_found" {
				h.t.Errorf("somebody else ends it: %v", err)
			}
			if n, err := h.Distrust(h.ctx(), u.ID, list[0].ID, home); n != 1 || err != nil {
				h.t.Error(n, err)
			}
		},
		"the button for all": func(h *house, u *models.User, home tokens.Client) {
			if n, err := h.Distrust(h.ctx(), u.ID, models.ID{}, home); n != 1 || err != nil {
				h.t.Error(n, err)
			}
		},
		"signing out everywhere": func(h *house, u *models.User, home tokens.Client) {
			if err := h.Accounts.EndAllSessions(h.ctx(), u.ID, home); err != nil {
				h.t.Fatal(err)
			}
		},
		"a new password": func(h *house, u *models.User, home tokens.Client) {
			if err := h.Accounts.ChangePassword(h.ctx(), h.fresh(u), right+"?", models.ID{}, home); err != nil {
				h.t.Fatal(err)
			}
			u, _ = h.Accounts.Get(h.ctx(), u.ID)
			h.clock.Advance(time.Second)
			if err := h.Accounts.ChangePassword(h.ctx(), h.fresh(u), right, models.ID{}, home); err != nil {
				h.t.Fatal(err)
			}
		},
		"a new app": func(h *house, u *models.User, _ tokens.Client) {
			by := at(9)
			res := h.code(h.browse(by), by, false)
			proof := tokens.Proof{User: u.ID, Session: res.Session.ID, At: h.clock.Now(), AAL: AAL2}
			seed := h.seed(proof)
			if _, _, err := h.ConfirmTOTP(h.ctx(), Confirm{Proof: proof, Code: h.codeOf(seed, 0), Client: by}); err != nil {
				h.t.Fatal(err)
			}
		},
		"a new passkey": func(h *house, u *models.User, _ tokens.Client) { h.passkey(u, h.authenticator()) },
		"a reset of the factors": func(h *house, u *models.User, home tokens.Client) {
			write(h, func(tx *gorm.DB) error { return deleteFrom(tx, lostTables, u.ID) })
			h.enroll(accounts.Factors{User: u.ID, TOTP: someTOTP})
		},
		"a database that went back": func(h *house, _ *models.User, _ tokens.Client) {
			write(h, func(tx *gorm.DB) error { return endAllTrust(tx, &tokens.Renewal{Ended: map[string]int64{}}) })
		},
	} {
		t.Run(what, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				u, home := h.trusts()
				end(h, u, home)
				if !h.asked(home) {
					t.Error("the browser is still trusted")
				}
			}, trusting)
		})
	}
}

// What ends the trust wins over a sign-in that has read it before.
func TestATrustThatEndsDuringASignInIsNone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, home := h.trusts()
		user, err := h.Accounts.ByLogin(h.ctx(), "mara")
		if err != nil {
			t.Fatal(err)
		}
		o := opening{
			in: Input{Web: true, Client: home}, try: try{method: h.password, user: user, by: home}, verdict: Verdict{OK: true},
			shown: progress{}.with(h.password, Verdict{}),
		}
		row, err := h.trusted(h.ctx(), o, []string{"totp"})
		if err != nil || row == nil {
			t.Fatal(row, err)
		}
		if _, err := h.Distrust(h.ctx(), u.ID, models.ID{}, home); err != nil {
			t.Fatal(err)
		}
		o.trust = row
		if _, err := h.open(h.ctx(), o); err != errDistrusted {
			t.Errorf("the sign-in goes through: %v", err)
		}
	}, trusting)
}

func TestNothingIsTrustedWhereItIsNotOffered(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, _ := h.withTOTP()
		home := at(1)
		h.code(h.browse(home), home, true)
		if !h.asked(home) {
			t.Error("a box that was not on the page is taken")
		}
		h.Config.TrustedDeviceTTL = trustTTL
		h.code(h.browse(home), home, true)
		h.Config.TrustedDeviceTTL = 0
		if !h.asked(home) {
			t.Error("what was trusted before stays trusted after the setting was taken away")
		}
		half := h.browse(home)
		h.Config.TrustedDeviceTTL = trustTTL
		_, err := h.Continue(h.ctx(), Step{
			Attempt: half.Attempt.Reveal(), Method: "recovery", Secret: "0123-4567-89AB-CDEF", Web: true, Client: at(2), Trust: true,
		})
		if list, _ := h.TrustedDevices(h.ctx(), u); err != nil || len(list) != 1 {
			t.Errorf("a recovery code makes a browser trusted: %v %v", list, err)
		}
	})
}

// MFA=required is met by a browser in which a second factor was shown once.
func TestATrustedBrowserMeetsThePolicyAtTheSignInAlone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, home := h.trusts()
		res := h.browse(home)
		if s, err := h.Tokens.Sessions.ByID(h.ctx(), res.Session.ID); err != nil || s.ACR != AAL1 {
			t.Errorf("%+v %v", s, err)
		}
	}, trusting, func(d *Deps) { d.Config.MFA = MFARequired })
}

func TestTrustedBrowsersAreBoundedAndTrimmed(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, _ := h.withTOTP()
		for i := range mostTrusted + 3 {
			by := at(i)
			h.code(h.browse(by), by, true)
		}
		list, err := h.TrustedDevices(h.ctx(), u)
		if err != nil || len(list) != mostTrusted || h.count("SELECT COUNT(*) FROM trusted_devices") != mostTrusted {
			t.Errorf("%d are trusted, %v", len(list), err)
		}
		h.clock.Advance(trustTTL)
		if err := h.Trim(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM trusted_devices") != 0 {
			t.Error(err)
		}
	}, trusting)
}
