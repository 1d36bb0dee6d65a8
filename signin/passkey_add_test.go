package signin

import (
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/internal/testkit"
	"gatehouse/tokens"
)

// add is a new passkey of a real session, with what the browser says of it.
func (h *house) add(o PasskeyOwner, conditional bool, a *testkit.Authenticator) (tokens.Started, error) {
	credential := a.Create(h.options(h.keys.BeginRegister(h.ctx(), o.User, o.Proof.Session, conditional)))
	_, started, err := h.AddPasskey(h.ctx(), o, NewPasskey{Conditional: conditional, Credential: credential})
	return started, err
}

// A password and the passkey that was just made are two factors; what each of
// them showed, and when, is what session and tokens say.
func TestAnAddedPasskeyRaisesTheSessionThatMadeIt(t *testing.T) {
	for name, one := range map[string]struct {
		flags       byte
		conditional bool
		acr, amr    string
		may         bool
	}{
		"synced":        {flags: testkit.UserPresent | testkit.UserVerified | testkit.BackupEligible, acr: AAL2, amr: "pwd swk user mfa", may: true},
		"on one device": {flags: testkit.UserPresent | testkit.UserVerified, acr: AAL2, amr: "pwd hwk user mfa", may: true},
		// Nobody was asked anything: nothing is known of who sits there.
		"by the browser's own motion":            {flags: testkit.BackupEligible, conditional: true, acr: AAL1, amr: "pwd"},
		"by its own motion, and somebody looked": {flags: testkit.UserPresent | testkit.UserVerified | testkit.BackupEligible, conditional: true, acr: AAL1, amr: "pwd"},
	} {
		t.Run(name, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				u, p := h.signedIn()
				h.clock.Advance(time.Minute)
				a := h.authenticator()
				a.Flags = one.flags
				if _, err := h.add(PasskeyOwner{User: u, Proof: p, By: visitor}, one.conditional, a); err != nil {
					t.Fatal(err)
				}
				h.says(p.Session, one.acr, one.amr, time.Minute, one.may)
			})
		})
	}
}

func TestARiseByAPasskeyGivesTheBrowserAnotherCookie(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		res, err := h.SignIn(h.ctx(), Input{Login: "mara", Password: right, Web: true, Client: visitor})
		if err != nil {
			t.Fatal(err)
		}
		old := res.Session.Cookie.Reveal()
		s, err := h.Tokens.Sessions.ByCookie(h.ctx(), old)
		if err != nil {
			t.Fatal(err)
		}
		started, err := h.add(PasskeyOwner{User: u, Proof: s.Proof(), Browser: s, By: visitor}, false, h.authenticator())
		if err != nil || started.Session.ACR != AAL2 {
			t.Fatal(started, err)
		}
		if gone, err := h.Tokens.Sessions.ByCookie(h.ctx(), old); err != nil && !tokens.ErrNoSession.Is(err) || gone.SignedIn() {
			t.Errorf("the cookie of before still opens it: %v", err)
		}
		if now, err := h.Tokens.Sessions.ByCookie(h.ctx(), started.Cookie.Reveal()); err != nil || now.ACR != AAL2 {
			t.Errorf("the new one: %+v, %v", now, err)
		}
	})
}

// A thief has a session and neither the password nor a proof that is fresh; or
// the password, of an account with more than that.
func TestNoThiefRaisesASessionWithAPasskeyOfTheirOwn(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, p := h.signedIn()
		h.clock.Advance(5*time.Minute + time.Second)
		_, err := h.add(PasskeyOwner{User: u, Proof: p, By: visitor}, false, h.authenticator())
		wantReason(t, err, "step_up_required")

		h.passkey(u, h.authenticator())
		fresh, err := h.reproof(u.ID, p.Session, right)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.add(PasskeyOwner{User: u, Proof: fresh, By: visitor}, false, h.authenticator())
		wantReason(t, err, "step_up_required")
		h.says(p.Session, AAL1, "pwd", 0, false)

		// A refused answer and one that was used leave the session as it was.
		strong := h.ownerIn(u, p.Session, AAL2)
		unsure := h.authenticator()
		unsure.Flags = testkit.UserPresent | testkit.BackupEligible
		_, err = h.add(strong, false, unsure)
		wantReason(t, err, "passkey_refused")
		h.says(p.Session, AAL1, "pwd", 0, false)
		if n := h.count("SELECT COUNT(*) FROM passkeys"); n != 1 {
			t.Errorf("%d passkeys", n)
		}
	})
}

// The session ended while somebody touched their key: nothing is kept, so that
// no passkey comes out of a session that was shut (security rule 11).
func TestAPasskeyOfASessionThatEndedIsNotKept(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, p := h.signedIn()
		o := PasskeyOwner{User: u, Proof: p, By: visitor}
		credential := h.authenticator().Create(h.options(h.keys.BeginRegister(h.ctx(), u, p.Session, false)))
		if _, err := h.Tokens.Sessions.End(h.ctx(), u.ID, p.Session, "test", visitor); err != nil {
			t.Fatal(err)
		}
		_, _, err := h.AddPasskey(h.ctx(), o, NewPasskey{Credential: credential})
		if err == nil || h.count("SELECT COUNT(*) FROM passkeys") != 0 || h.count("SELECT COUNT(*) FROM mail_outbox") != 0 {
			t.Errorf("it is kept: %v", err)
		}
	})
}

// Of many at once with one challenge one is kept, and the session rises once.
func TestOfManyRisesWithOneChallengeOneWins(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, p := h.signedIn()
		o := PasskeyOwner{User: u, Proof: p, By: visitor}
		options := h.options(h.keys.BeginRegister(h.ctx(), u, p.Session, false))
		credentials := make([][]byte, rivals)
		for i := range credentials {
			credentials[i] = h.authenticator().Create(options)
		}
		answers := race(func(i int) error {
			_, _, err := h.AddPasskey(h.ctx(), o, NewPasskey{Credential: credentials[i]})
			return err
		})
		if answers[""] != 1 || h.count("SELECT COUNT(*) FROM passkeys") != 1 {
			t.Errorf("the answers were %v", answers)
		}
		h.says(p.Session, AAL2, "pwd swk user mfa", 0, true)
	})
}

func TestASignInMakesOnePasskeyUnder32Tries(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("mara@harbour.example", "mara")
		half := h.half()
		options := h.options(h.BeginFirstPasskey(h.ctx(), half.Attempt.Reveal(), false, visitor))
		credential := h.authenticator().Create(options)
		answers := race(func(int) error {
			_, _, err := h.ConfirmFirst(h.ctx(), Step{
				Attempt: half.Attempt.Reveal(), Response: &NewPasskey{Credential: credential}, Client: visitor,
			})
			return err
		})
		if answers[""] != 1 || h.count("SELECT COUNT(*) FROM sessions") != 1 || h.count("SELECT COUNT(*) FROM passkeys") != 1 {
			t.Errorf("%v", answers)
		}
		if n := h.count("SELECT COUNT(*) FROM recovery_codes"); n != codeCount {
			t.Errorf("%d recovery codes", n)
		}
	}, func(d *Deps) { d.Config.MFA = MFARequired })
}

// Each sign-in has the password and an authenticator of its own, and codes are
// there already, so that no unique row but the account's decides.
func TestOf32SignInsThatEachMakeAFirstFactorOneWins(t *testing.T) {
	for what, codes := range map[string]bool{"with codes": true, "without codes": false} {
		t.Run(what, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				u := h.person("mara@harbour.example", "mara")
				if codes {
					h.enroll(accounts.Factors{User: u.ID, RecoveryCodes: []string{"kept"}})
				}
				var steps [rivals]Step
				for i := range steps {
					half := h.half()
					options := h.options(h.BeginFirstPasskey(h.ctx(), half.Attempt.Reveal(), false, visitor))
					steps[i] = Step{Attempt: half.Attempt.Reveal(), Response: &NewPasskey{Credential: h.authenticator().Create(options)}, Client: visitor}
				}
				answers := race(func(i int) error {
					_, _, err := h.ConfirmFirst(h.ctx(), steps[i])
					return err
				})
				if answers[""] != 1 || answers["internal"] != 0 || h.count("SELECT COUNT(*) FROM passkeys") != 1 || h.count("SELECT COUNT(*) FROM sessions") != 1 {
					t.Errorf("%v", answers)
				}
			}, func(d *Deps) { d.Config.MFA = MFARequired })
		})
	}
}

// A passkey opens an account by itself: a stranger who signed up with an address
// that nobody proved must not get one by the way of the policy either.
func TestAnUnprovedAddressGetsAnAppAndNoPasskeyWithinASignIn(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.create(accounts.NewUser{Email: "mara@harbour.example", Username: "mara", Password: right})
		half := h.half()
		w, err := h.Waiting(h.ctx(), half.Attempt.Reveal(), false)
		if err != nil || h.MayEnrolPasskey(w) {
			t.Error("a passkey is offered", err)
		}
		_, err = h.BeginFirstPasskey(h.ctx(), half.Attempt.Reveal(), false, visitor)
		wantReason(t, err, "address_unproved")
		challenge := h.options(h.keys.beginNew(h.ctx(), w.User, ceremonyFirst, w.ID.String()))
		_, _, err = h.ConfirmFirst(h.ctx(), Step{
			Attempt: half.Attempt.Reveal(), Response: &NewPasskey{Credential: h.authenticator().Create(challenge)}, Client: visitor,
		})
		wantReason(t, err, "address_unproved")
	}, func(d *Deps) {
		d.Config.MFA = MFARequired
		d.Accounts.Config.EmailVerification = accounts.VerificationOptional
	})
}
