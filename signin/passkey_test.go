package signin

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/tokens"
)

const browser = "a browser's own value"

func (h *house) authenticator() *testkit.Authenticator {
	return testkit.NewAuthenticator(h.t, "http://localhost:5000", "localhost")
}

func (h *house) options(o PasskeyOptions, err error) []byte {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := json.Marshal(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// owner is somebody with a fresh proof of a session that nothing asks for.
func (h *house) owner(u *models.User, acr string) PasskeyOwner {
	return h.ownerIn(u, models.NewID(), acr)
}

func (h *house) ownerIn(u *models.User, session models.ID, acr string) PasskeyOwner {
	return PasskeyOwner{User: u, Proof: tokens.Proof{User: u.ID, Session: session, At: h.clock.Now(), AAL: acr}, By: visitor}
}

// register adds a passkey and leaves the session as it is.
func (h *house) register(o PasskeyOwner, conditional bool, credential []byte) (models.Passkey, error) {
	made, err := h.keys.made(h.ctx(), o, registerKind(conditional), NewPasskey{Conditional: conditional, Credential: credential})
	if err != nil {
		return models.Passkey{}, err
	}
	return made.key, h.db.Write(h.ctx(), made.keep)
}

// passkey adds one to an account, as the session of a sign-in.
func (h *house) passkey(u *models.User, a *testkit.Authenticator) models.Passkey {
	h.t.Helper()
	o := h.owner(u, AAL2)
	key, err := h.register(o, false, a.Create(h.options(h.keys.BeginRegister(h.ctx(), u, o.Proof.Session, false))))
	if err != nil {
		h.t.Fatal(err)
	}
	return key
}

func (h *house) challenge() []byte {
	h.t.Helper()
	return h.options(h.keys.BeginSignIn(h.ctx(), browser, visitor.IP, ""))
}

func (h *house) withPasskey(credential []byte) (Result, error) {
	return h.SignIn(h.ctx(), Input{Method: "passkey", Response: &PasskeyAnswer{Credential: credential, Bound: browser}, Client: visitor})
}

func TestAPasskeyAloneSignsInWithTwoFactors(t *testing.T) {
	for name, want := range map[string]struct {
		flags byte
		amr   string
	}{
		"synced": {testkit.UserPresent | testkit.UserVerified | testkit.BackupEligible | testkit.BackupState, "mfa swk user"},
		"bound":  {testkit.UserPresent | testkit.UserVerified, "hwk mfa user"},
	} {
		t.Run(name, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				u, a := h.person("ada@example.com", "ada"), h.authenticator()
				a.Flags = want.flags
				h.passkey(u, a)
				h.clock.Advance(time.Minute)
				res, err := h.withPasskey(a.Get(h.challenge()))
				if err != nil {
					t.Fatal(err)
				}
				amr := res.Session.Session.AMR.List()
				slices.Sort(amr)
				if res.User.ID != u.ID || res.Session.Session.ACR != AAL2 || string(models.JoinWords(amr)) != want.amr {
					t.Errorf("acr %s, amr %v", res.Session.Session.ACR, amr)
				}
				list, _ := h.keys.List(h.ctx(), u.ID)
				if len(list) != 1 || !list[0].LastUsedAt.Equal(h.clock.Now()) {
					t.Errorf("the list is %+v", list)
				}
			})
		})
	}
}

func TestAChallengeWorksOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		credential := a.Get(h.challenge())
		if _, err := h.withPasskey(credential); err != nil {
			t.Fatal(err)
		}
		_, err := h.withPasskey(credential)
		wantReason(t, err, "passkey_expired")
		if n := h.count("SELECT COUNT(*) FROM sessions WHERE user_id IS NOT NULL"); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestAWrongAnswerUsesTheChallengeUp(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		options := h.challenge()
		good := a.Get(options)
		a.Flags = testkit.UserPresent | testkit.BackupEligible
		_, err := h.withPasskey(a.Get(options))
		wantReason(t, err, "passkey_refused")
		var details [][]byte
		if err := h.db.Read(h.ctx()).Raw("SELECT detail FROM audit_events WHERE action = ?", string(audit.SignIn)).Scan(&details).Error; err != nil {
			t.Fatal(err)
		}
		if len(details) != 1 || !strings.Contains(string(details[0]), "user_verified") {
			t.Errorf("the record does not name the check: %q", details)
		}
		_, err = h.withPasskey(good)
		wantReason(t, err, "passkey_expired")
	})
}

func TestOfManyAnswersToOneChallengeOneWins(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		credential := a.Get(h.challenge())
		answers := race(func(int) error {
			_, err := h.withPasskey(credential)
			return err
		})
		if answers[""] != 1 || answers["passkey_expired"] != rivals-1 {
			t.Errorf("the answers were %v", answers)
		}
	})
}

func TestACountThatGrowsOnceIsTakenOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		a.Count = 1
		credentials := make([][]byte, rivals)
		for i := range credentials {
			credentials[i] = a.Get(h.challenge())
		}
		answers := race(func(i int) error {
			_, err := h.withPasskey(credentials[i])
			return err
		})
		if answers[""] != 1 {
			t.Errorf("a copied key got in: %v", answers)
		}
	})
}

func TestAChallengeIsForOneHolderAndOneCeremony(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		session := models.NewID()
		for name, options := range map[string][]byte{
			"another browser": h.options(h.keys.BeginSignIn(h.ctx(), "another", visitor.IP, "")),
			"a step-up":       h.options(h.keys.BeginStepUp(h.ctx(), u.ID, session, "")),
			"a registration":  h.options(h.keys.BeginRegister(h.ctx(), u, session, false)),
			"a second step":   h.options(h.keys.BeginSecond(h.ctx(), Waiting{ID: session, User: u}, "")),
			"nobody":          options("somebody"),
		} {
			a.UserHandle = u.ID.Bytes()
			_, err := h.withPasskey(a.Get(options))
			if got := apperr.Reason(err); got != "passkey_expired" {
				t.Errorf("%s: %q", name, got)
			}
		}
	})
}

func TestAChallengeLastsFiveMinutes(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		credential := a.Get(h.challenge())
		h.clock.Advance(ceremonyLife)
		_, err := h.withPasskey(credential)
		wantReason(t, err, "passkey_expired")
		if err := h.Trim(h.ctx()); err != nil {
			t.Fatal(err)
		}
		if n := h.count("SELECT COUNT(*) FROM passkey_ceremonies"); n != 0 {
			t.Errorf("%d challenges are left", n)
		}
	})
}

func TestChallengesOfOneNetworkAreBounded(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	h.keys.Limits = ratelimit.NewLimits(ratelimit.New(h.clock.Now, 0), map[ratelimit.Name]ratelimit.Rule{ratelimit.Passkey: {N: 2, Per: time.Minute}})
	h.challenge()
	h.challenge()
	_, err := h.keys.BeginSignIn(h.ctx(), browser, visitor.IP, "")
	wantReason(t, err, "too_many_attempts")
}

func TestAPasskeyThatIsNotHereIsUnknown(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		key := h.passkey(u, a)
		credential := a.Get(h.challenge())
		o := h.owner(u, AAL2)
		if _, err := h.RemovePasskey(h.ctx(), o, key.ID); err != nil {
			t.Fatal(err)
		}
		_, err := h.withPasskey(credential)
		wantReason(t, err, "passkey_unknown")
	})
}

func TestADisabledAccountIsNotOpenedByAPasskey(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		if err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			return tx.Exec("UPDATE users SET disabled_at = ? WHERE id = ?", h.clock.Now().UnixMicro(), u.ID).Error
		}); err != nil {
			t.Fatal(err)
		}
		_, err := h.withPasskey(a.Get(h.challenge()))
		if err == nil {
			t.Error("it was opened")
		}
	})
}

// A stranger's wrong answers lock nobody out: nothing about a signature can be
// guessed (security rule 13).
func TestWrongAnswersLockNobodyOut(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		forger := h.authenticator()
		forger.ID, forger.UserHandle = a.ID, u.ID.Bytes()
		for range 120 {
			_, err := h.withPasskey(forger.Get(h.challenge()))
			wantReason(t, err, "passkey_refused")
		}
		if _, err := h.withPasskey(a.Get(h.challenge())); err != nil || h.counters() != 0 {
			t.Errorf("%v, %d counters", err, h.counters())
		}
	})
}

func (h *house) halfway(login string) Result {
	h.t.Helper()
	res, err := h.SignIn(h.ctx(), Input{Login: login, Password: right, Client: visitor})
	if err != nil || len(res.Next) == 0 || res.Next[0] != "passkey" {
		h.t.Fatalf("next %v, %v", res.Next, err)
	}
	return res
}

func (h *house) second(attempt secrets.Raw, a *testkit.Authenticator) ([]byte, Waiting) {
	h.t.Helper()
	w, err := h.Waiting(h.ctx(), attempt.Reveal(), false)
	if err != nil {
		h.t.Fatal(err)
	}
	return a.Get(h.options(h.keys.BeginSecond(h.ctx(), w, ""))), w
}

func (h *house) carryOn(attempt secrets.Raw, credential []byte) (Result, error) {
	return h.Continue(h.ctx(), Step{Attempt: attempt.Reveal(), Method: "passkey", Response: &PasskeyAnswer{Credential: credential}, Client: visitor})
}

func TestAPasskeyCompletesASignInWithAPassword(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		a.Flags &^= testkit.UserVerified // possession is enough after a password
		res := h.halfway("ada")
		credential, _ := h.second(res.Attempt, a)
		done, err := h.carryOn(res.Attempt, credential)
		if err != nil {
			t.Fatal(err)
		}
		if s := done.Session.Session; s.ACR != AAL2 || !s.AMR.Has("pwd") || !s.AMR.Has("swk") || !s.AMR.Has("mfa") {
			t.Errorf("acr %s, amr %s", s.ACR, s.AMR)
		}
	})
}

func TestThePasskeyOfSomebodyElseCompletesNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, mallory := h.person("ada@example.com", "ada"), h.person("mallory@example.com", "mallory")
		a, b := h.authenticator(), h.authenticator()
		h.passkey(u, a)
		h.passkey(mallory, b)
		res := h.halfway("ada")
		credential, _ := h.second(res.Attempt, b)
		_, err := h.carryOn(res.Attempt, credential)
		wantReason(t, err, "passkey_refused")
		credential, _ = h.second(h.halfway("mallory").Attempt, b)
		_, err = h.carryOn(res.Attempt, credential)
		wantReason(t, err, "passkey_refused")
	})
}

func (h *house) stepUp(u *models.User, session models.ID, credential []byte) (tokens.Proof, error) {
	proof, _, err := h.Reauth(h.ctx(), Reproof{User: u.ID, Session: session, Method: "passkey", Response: &PasskeyAnswer{Credential: credential}, Client: visitor})
	return proof, err
}

func TestAPasskeyProvesOnceMore(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		res, err := h.withPasskey(a.Get(h.challenge()))
		if err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(time.Hour)
		proof, err := h.stepUp(u, res.Session.ID, a.Get(h.options(h.keys.BeginStepUp(h.ctx(), u.ID, res.Session.ID, ""))))
		if err != nil || proof.AAL != AAL2 || !proof.At.Equal(h.clock.Now()) {
			t.Errorf("%+v, %v", proof, err)
		}
		a.Flags &^= testkit.UserVerified
		_, err = h.stepUp(u, res.Session.ID, a.Get(h.options(h.keys.BeginStepUp(h.ctx(), u.ID, res.Session.ID, ""))))
		wantReason(t, err, "passkey_refused")
	})
}

// A device that was found open must not get a key of its own.
func TestOneFactorOfTwoAddsAndRemovesNone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		key := h.passkey(u, a)
		weak := h.owner(u, AAL1)
		_, err := h.register(weak, false, h.authenticator().Create(h.options(h.keys.BeginRegister(h.ctx(), u, weak.Proof.Session, false))))
		wantReason(t, err, "step_up_required")
		_, err = h.RemovePasskey(h.ctx(), weak, key.ID)
		wantReason(t, err, "step_up_required")
	})
}

func TestAFirstPasskeyNeedsNoMoreThanThePassword(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		o := h.owner(u, AAL1)
		a := h.authenticator()
		a.AAGUID = [16]byte{0xba, 0xda, 0x55, 0x66, 0xa7, 0xaa, 0x40, 0x1f, 0xbd, 0x96, 0x45, 0x61, 0x9a, 0x55, 0x12, 0x0d}
		key, err := h.register(o, false, a.Create(h.options(h.keys.BeginRegister(h.ctx(), u, o.Proof.Session, false))))
		if err != nil || key.Name != "1Password" {
			t.Errorf("%q, %v", key.Name, err)
		}
		if n := h.count("SELECT COUNT(*) FROM mail_outbox"); n != 1 {
			t.Errorf("%d notices", n)
		}
	})
}

// A reset leaves factors in force, so that a stranger who signed up with the
// address of somebody else must not have any ("pre-hijacking").
func TestAnAccountWhoseAddressNobodyProvedGetsNoFactor(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.create(accounts.NewUser{Email: "ada@example.com", Password: right})
		o := h.owner(u, AAL1)
		_, err := h.register(o, false, h.authenticator().Create(h.options(h.keys.BeginRegister(h.ctx(), u, o.Proof.Session, false))))
		wantReason(t, err, "address_unproved")
		_, err = h.EnrolTOTP(h.ctx(), tokens.Proof{User: u.ID, Session: o.Proof.Session, At: h.clock.Now(), AAL: AAL1})
		wantReason(t, err, "address_unproved")
		if n := h.count("SELECT COUNT(*) FROM passkeys") + h.count("SELECT COUNT(*) FROM totp_enrolments"); n != 0 {
			t.Errorf("%d factors", n)
		}
	})
}

func TestARegistrationIsForItsSession(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, mallory := h.person("ada@example.com", "ada"), h.person("mallory@example.com", "mallory")
		ours := h.owner(u, AAL1)
		theirs := h.owner(mallory, AAL1)
		credential := h.authenticator().Create(h.options(h.keys.BeginRegister(h.ctx(), mallory, theirs.Proof.Session, false)))
		_, err := h.register(ours, false, credential)
		wantReason(t, err, "passkey_expired")
	})
}

func TestAKnownCredentialIsNotAddedAgain(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, mallory, a := h.person("ada@example.com", "ada"), h.person("mallory@example.com", "mallory"), h.authenticator()
		h.passkey(u, a)
		o := h.owner(mallory, AAL1)
		_, err := h.register(o, false, a.Create(h.options(h.keys.BeginRegister(h.ctx(), mallory, o.Proof.Session, false))))
		wantReason(t, err, "passkey_known")
	})
}

func TestOfManyRegistrationsOfOneChallengeOneWins(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		o := h.owner(u, AAL2)
		options := h.options(h.keys.BeginRegister(h.ctx(), u, o.Proof.Session, false))
		credentials := make([][]byte, rivals)
		for i := range credentials {
			credentials[i] = h.authenticator().Create(options)
		}
		answers := race(func(i int) error {
			_, err := h.register(o, false, credentials[i])
			return err
		})
		if answers[""] != 1 || h.count("SELECT COUNT(*) FROM passkeys") != 1 {
			t.Errorf("the answers were %v", answers)
		}
	})
}

// Conditional create asks nobody to touch anything (Level 3, section 5.1.3).
func TestABrowserMayMakeOneByItself(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		a.Flags = testkit.BackupEligible
		o := h.owner(u, AAL1)
		credential := a.Create(h.options(h.keys.BeginRegister(h.ctx(), u, o.Proof.Session, true)))
		_, err := h.register(o, false, credential)
		wantReason(t, err, "passkey_refused") // not of that ceremony
		credential = a.Create(h.options(h.keys.BeginRegister(h.ctx(), u, o.Proof.Session, true)))
		if _, err := h.register(o, true, credential); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLastWayInStays(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a, b := h.person("ada@example.com", "ada"), h.authenticator(), h.authenticator()
		first, second := h.passkey(u, a), h.passkey(u, b)
		if err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			return tx.Exec("UPDATE users SET password_hash = '' WHERE id = ?", u.ID).Error
		}); err != nil {
			t.Fatal(err)
		}
		o := h.owner(u, AAL2)
		answers := race(func(i int) error {
			_, err := h.RemovePasskey(h.ctx(), o, []models.ID{first.ID, second.ID}[i%2])
			return err
		})
		if answers[""] != 1 || h.count("SELECT COUNT(*) FROM passkeys") != 1 {
			t.Errorf("the answers were %v", answers)
		}
	})
}

func TestAPasskeyThatThePolicyAsksForStays(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		key := h.passkey(u, h.authenticator())
		o := h.owner(u, AAL2)
		_, err := h.RemovePasskey(h.ctx(), o, key.ID)
		wantReason(t, err, "last_factor")
		h.Config.MFA = MFAOptional
		if _, err := h.RemovePasskey(h.ctx(), o, key.ID); err != nil {
			t.Error(err)
		}
	}, func(d *Deps) { d.Config.MFA = MFARequired })
}

// Rule 11: who lost a device removes its passkey, and what was open with it ends.
func TestRemovingAPasskeyEndsEveryOtherSession(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		key := h.passkey(u, a)
		var sessions []models.ID
		for range 2 {
			res, err := h.withPasskey(a.Get(h.challenge()))
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, res.Session.ID)
		}
		o := h.ownerIn(u, sessions[1], AAL2)
		if _, err := h.RemovePasskey(h.ctx(), o, key.ID); err != nil {
			t.Fatal(err)
		}
		if n := h.count("SELECT COUNT(*) FROM sessions WHERE id = ? AND ended_at IS NULL", sessions[0]); n != 0 {
			t.Error("the other session is open")
		}
		if n := h.count("SELECT COUNT(*) FROM sessions WHERE id = ? AND ended_at IS NULL", sessions[1]); n != 1 {
			t.Error("the session that did it is not")
		}
	})
}

func TestAPasskeyOfSomebodyElseIsNotFound(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, mallory := h.person("ada@example.com", "ada"), h.person("mallory@example.com", "mallory")
		key := h.passkey(u, h.authenticator())
		o := h.owner(mallory, AAL2)
		_, err := h.RemovePasskey(h.ctx(), o, key.ID)
		wantReason(t, err, "not_found")
		wantReason(t, h.keys.Rename(h.ctx(), h.owner(mallory, AAL1), key.ID, "mine"), "not_found")
		wantReason(t, h.keys.Rename(h.ctx(), h.owner(u, AAL1), key.ID, ""), "validation_failed")
		for range 2 {
			if err := h.keys.Rename(h.ctx(), h.owner(u, AAL1), key.ID, "desk"); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAPasskeyIsOfferedOnceIn30Days(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		offered := func() int {
			n := 0
			for range 3 {
				yes, err := h.keys.Offer(h.ctx(), u.ID)
				if err != nil {
					t.Fatal(err)
				}
				if yes {
					n++
				}
			}
			return n
		}
		if offered() != 1 {
			t.Error("not once at first")
		}
		h.clock.Advance(offerEvery - time.Second)
		if offered() != 0 {
			t.Error("too early")
		}
		h.clock.Advance(time.Second)
		if offered() != 1 {
			t.Error("not once after 30 days")
		}
		h.passkey(u, h.authenticator())
		h.clock.Advance(offerEvery)
		if offered() != 0 {
			t.Error("to somebody who has one")
		}
	})
}

// What `user import` stores is a passkey like any other.
func TestAnImportedPasskeySignsIn(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		a.UserHandle = []byte("handle of before")
		if err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			return h.Factors.Import(tx, []accounts.Factors{{User: u.ID, CreatedAt: models.At(h.clock.Now()), Passkeys: []accounts.Passkey{{
				CredentialID: a.ID, PublicKey: a.PublicKey(), RPID: "localhost", UserHandle: a.UserHandle, Name: "old",
				BackupEligible: true, SignCount: 3,
			}}}})
		}); err != nil {
			t.Fatal(err)
		}
		a.Count = 4
		if _, err := h.withPasskey(a.Get(h.challenge())); err != nil {
			t.Fatal(err)
		}
		o := h.options(h.keys.BeginRegister(h.ctx(), u, models.NewID(), false))
		var options PasskeyOptions
		if err := json.Unmarshal(o, &options); err != nil || options.User.ID != encode64(a.UserHandle) || len(options.Exclude) != 1 {
			t.Errorf("options %s", o)
		}
	})
}

// After a move the passkeys of the old domain still complete a sign-in.
func TestThePasskeysOfTheOldDomainAreAskedForUnderIt(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, a := h.person("ada@example.com", "ada"), h.authenticator()
		h.passkey(u, a)
		h.keys.rp = newRelyingParty("https://id.example.net", "", nil)
		a.Origin = "https://id.example.net" // of which localhost's related origins speak
		res := h.halfway("ada")
		credential, _ := h.second(res.Attempt, a)
		if _, err := h.carryOn(res.Attempt, credential); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoWeAreComesFromAppURLAlone(t *testing.T) {
	for address, want := range map[string]relyingParty{
		"http://localhost:5000":    {id: "localhost", name: "localhost", origins: []string{"http://localhost:5000", "https://b.example"}},
		"https://ID.example.com":   {id: "id.example.com", name: "id.example.com", origins: []string{"https://id.example.com", "https://b.example"}},
		"https://id.example:443/x": {id: "id.example", name: "id.example", origins: []string{"https://id.example", "https://b.example"}},
		"http://127.0.0.1:5000":    {},
		"http://[::1]:5000":        {},
		"no address":               {},
	} {
		got := newRelyingParty(address, "", []string{"https://B.example/", "junk"})
		if got.id != want.id || got.name != want.name || !slices.Equal(got.origins, want.origins) {
			t.Errorf("%s: %+v", address, got)
		}
	}
}

// A finish is two reads, the check of the signature and one transaction; what
// is written is the challenge, the passkey and what every sign-in writes.
func TestAFinishIsTwoReadsAndOneTransaction(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	u, a := h.person("ada@example.com", "ada"), h.authenticator()
	h.passkey(u, a)
	in := &PasskeyAnswer{Credential: a.Get(h.challenge()), Bound: browser}
	reads := 0
	if err := h.db.Read(h.ctx()).Callback().Query().After("*").Register("counted", func(*gorm.DB) { reads++ }); err != nil {
		t.Fatal(err)
	}
	found, err := h.keys.Find(h.ctx(), Offer{Response: in})
	if err != nil || found == nil {
		t.Fatal(err)
	}
	v, err := h.keys.Verify(h.ctx(), Offer{User: found, Response: in})
	if err != nil || !v.OK || reads > 2 {
		t.Errorf("%+v, %v, %d reads", v, err, reads)
	}
	var won bool
	if err := h.db.Write(h.ctx(), func(tx *gorm.DB) (err error) { won, err = v.Claim(tx); return err }); err != nil || !won {
		t.Error(won, err)
	}
	if h.counters() != 0 {
		t.Error("a try was counted, which is a commit of its own")
	}
}
