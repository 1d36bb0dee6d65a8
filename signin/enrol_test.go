package signin

import (
	"context"
	"encoding/base32"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/tokens"
)

// signedIn is a person with a session of a program, and the proof in it.
func (h *house) signedIn() (*models.User, tokens.Proof) {
	h.t.Helper()
	u := h.person("mara@harbour.example", "mara")
	return u, h.session(u)
}

func (h *house) session(u *models.User) tokens.Proof {
	h.t.Helper()
	res, err := h.SignIn(h.ctx(), Input{Login: "mara", Password: right, Client: visitor})
	if err != nil || res.Access == nil {
		h.t.Fatal(res, err)
	}
	return tokens.Proof{User: u.ID, Session: res.Session.ID, At: h.clock.Now(), AAL: AAL1}
}

func (h *house) enrolled(p tokens.Proof) (seed []byte, codes []string) {
	h.t.Helper()
	seed = h.seed(p)
	codes, _, err := h.ConfirmTOTP(h.ctx(), Confirm{Proof: p, Code: h.codeOf(seed, 0), Client: visitor})
	if err != nil || len(codes) != codeCount {
		h.t.Fatal(codes, err)
	}
	return seed, codes
}

func (h *house) seed(p tokens.Proof) []byte {
	h.t.Helper()
	e, err := h.EnrolTOTP(h.ctx(), p)
	if err != nil {
		h.t.Fatal(err)
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Secret.Reveal())
	if err != nil || len(seed) != seedSize {
		h.t.Fatal(seed, err)
	}
	return seed
}

func (h *house) codeOf(seed []byte, shift time.Duration) string {
	return independentCode(seed, h.clock.Now().Add(shift).Unix()/30)
}

func TestAConfirmedAppRaisesTheSessionAndItsCodeIsUsedUp(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, p := h.signedIn()
		h.clock.Advance(time.Minute)
		seed, codes := h.enrolled(p)
		s, err := h.Tokens.Sessions.ByID(h.ctx(), p.Session)
		if err != nil || s.ACR != AAL2 || string(s.AMR) != "pwd otp mfa" || !s.AuthTime.Equal(p.At) {
			t.Errorf("%+v %v", s, err)
		}
		var row models.TOTPFactor
		if err := h.db.Read(h.ctx()).Take(&row).Error; err != nil || strings.Contains(string(row.Seed), string(seed)) {
			t.Errorf("the seed stands in clear: %v", err)
		}
		for _, code := range codes {
			if n := h.count("SELECT COUNT(*) FROM recovery_codes WHERE hash LIKE ?", "%"+code+"%"); n != 0 {
				t.Error("a recovery code stands in clear")
			}
		}
		half := h.half()
		_, err = h.step(half.Attempt, "totp", h.codeOf(seed, 0))
		wantReason(t, err, "totp_used")
		if _, err := h.step(half.Attempt, "totp", h.codeOf(seed, 30*time.Second)); err != nil {
			t.Errorf("the next code, from a clock that is a step ahead: %v", err)
		}
		if h.recorded(audit.FactorAdded, "") != 1 {
			t.Error("it is not on record")
		}
	})
}

func TestACodeOfAnotherTimeIsRefused(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		h.enroll(accounts.Factors{User: u.ID, TOTP: someTOTP})
		for _, shift := range []time.Duration{-60 * time.Second, 60 * time.Second, time.Hour} {
			_, err := h.step(h.half().Attempt, "totp", h.codeAt(shift))
			wantReason(t, err, "totp_wrong")
		}
		for _, shift := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
			if _, err := h.step(h.half().Attempt, "totp", h.codeAt(shift)); err != nil {
				t.Errorf("%v: %v", shift, err)
			}
		}
		_, err := h.step(h.half().Attempt, "totp", h.codeAt(0))
		wantReason(t, err, "totp_used") // an older one than the newest that was used
	})
}

func TestOnlyTheNewestSeedIsConfirmed(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, p := h.signedIn()
		other := h.session(u)
		old := h.seed(p)
		fresh := h.seed(other)
		_, _, err := h.ConfirmTOTP(h.ctx(), Confirm{Proof: p, Code: h.codeOf(old, 0), Client: visitor})
		if e := apperr.From(err); e == nil || e.Fields["code"].Reason != "totp_wrong" {
			t.Errorf("the seed of before: %v", err)
		}
		if _, _, err := h.ConfirmTOTP(h.ctx(), Confirm{Proof: p, Code: h.codeOf(fresh, 0), Client: visitor}); err != nil {
			t.Error(err)
		}
		_, _, err = h.ConfirmTOTP(h.ctx(), Confirm{Proof: strong(p), Code: h.codeOf(fresh, 30*time.Second), Client: visitor})
		if !ErrEnrolment.Is(err) {
			t.Errorf("a second confirmation: %v", err)
		}
		h.seed(strong(p))
		h.clock.Advance(enrolTTL)
		late := strong(p)
		late.At = h.clock.Now()
		if _, _, err = h.ConfirmTOTP(h.ctx(), Confirm{Proof: late, Code: "123456", Client: visitor}); !ErrEnrolment.Is(err) {
			t.Errorf("after its time: %v", err)
		}
	})
}

func strong(p tokens.Proof) tokens.Proof { p.AAL = AAL2; return p }

func TestOfManyConfirmationsAtOnceOneWins(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, p := h.signedIn()
		seed := h.seed(p)
		code := h.codeOf(seed, 0)
		answers := race(func(int) error {
			_, _, err := h.ConfirmTOTP(h.ctx(), Confirm{Proof: p, Code: code, Client: visitor})
			return err
		})
		// Who comes after the winner has only the password for a proof.
		if answers[""] != 1 || answers[""]+answers["enrolment_ended"]+answers["step_up_required"] != rivals {
			t.Errorf("%v", answers)
		}
		if n := h.count("SELECT COUNT(*) FROM recovery_codes"); n != codeCount {
			t.Errorf("%d recovery codes", n)
		}
	})
}

// One code, shown at once to sign in, to prove oneself and to confirm nothing:
// the step is used up wherever it was first.
func TestACodeWorksOnceForSignInAndStepUpTogether(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, p := h.signedIn()
		h.enroll(accounts.Factors{User: u.ID, TOTP: someTOTP})
		code := h.codeAt(0)
		attempts := make([]Result, rivals)
		for i := range attempts {
			attempts[i] = h.half()
		}
		answers := race(func(i int) error {
			if i%2 == 0 {
				_, err := h.step(attempts[i].Attempt, "totp", code)
				return err
			}
			_, _, err := h.Reauth(h.ctx(), Reproof{User: u.ID, Session: p.Session, Method: "totp", Secret: code, Client: visitor})
			return err
		})
		if answers[""] != 1 || answers["totp_used"] != rivals-1 {
			t.Errorf("%v", answers)
		}
	}, func(d *Deps) { d.Config.FreeTries = -1 })
}

// Two nodes are two rooms on one database, as two processes are.
func TestACodeWorksOnceOnTwoNodes(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		clock := testkit.NewClock()
		a, b := testkit.Open(t, url, clock.Now), testkit.Open(t, url, clock.Now)
		one := newHouse(t, a, func(d *Deps) { d.Config.FreeTries = -1 })
		two := newHouse(t, b, func(d *Deps) { d.Config.FreeTries = -1 })
		_, _ = one.withTOTP()
		attempts := make([]Result, rivals)
		for i := range attempts {
			attempts[i] = one.half()
		}
		code := one.codeAt(0)
		answers := race(func(i int) error {
			_, err := []*house{one, two}[i%2].step(attempts[i].Attempt, "totp", code)
			return err
		})
		if answers[""] != 1 || answers["totp_used"] != rivals-1 {
			t.Errorf("%v", answers)
		}
	})
}

func TestSeedsOfOtherSystemsWorkWithTheirParameters(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		secret := []byte("12345678901234567890123456789012")
		h.enroll(accounts.Factors{User: u.ID, TOTP: &accounts.TOTP{Secret: secret, Algorithm: "SHA256", Digits: 8, Period: 60}})
		p := parameters{"SHA256", 8, 60} // checked against RFC 6238 beside this
		code := p.code(secret, h.clock.Now().Unix()/60)
		half := h.half()
		_, err := h.step(half.Attempt, "totp", code[:6])
		wantReason(t, err, "validation_failed")
		if _, err := h.step(half.Attempt, "totp", code[:4]+" "+code[4:]); err != nil {
			t.Error(err)
		}
	})
}

func TestRecoveryCodesOfOtherSystemsWorkInTheirForm(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		slow, err := h.Passwords.Hash(h.ctx(), "abcde-12345")
		if err != nil {
			t.Fatal(err)
		}
		h.enroll(accounts.Factors{User: u.ID, TOTP: someTOTP, RecoveryCodes: []string{digestOf("xy12-zw34"), slow}})
		for _, c := range []struct{ typed, why string }{
			{"nothing", "recovery_wrong"}, {strings.Repeat("x", 500), "validation_failed"}, {"xy12-zw34", ""}, {"abcde-12345", ""},
		} {
			half := h.half()
			_, err := h.step(half.Attempt, "recovery", c.typed)
			wantReason(t, err, c.why)
		}
	})
}

func TestTheCheckOfACodeTakesTwoStatements(t *testing.T) {
	db := testkit.DB(t)
	h := newHouse(t, db)
	u := h.person("mara@harbour.example", "mara")
	h.enroll(accounts.Factors{User: u.ID, TOTP: someTOTP})
	n := 0
	count := func(*gorm.DB) { n++ }
	reads := h.db.Read(h.ctx())
	if err := reads.Callback().Query().After("*").Register("counted", count); err != nil {
		t.Fatal(err)
	}
	v, err := h.method("totp").Verify(h.ctx(), Offer{User: u, Secret: h.codeAt(0)})
	if err != nil || !v.OK || n != 1 {
		t.Fatalf("%+v %v, %d reads", v, err, n)
	}
	var won bool
	err = db.Write(h.ctx(), func(tx *gorm.DB) (err error) { won, err = v.Claim(tx); return err })
	if err != nil || !won {
		t.Error(won, err) // one UPDATE: see claimStep
	}
}

func TestAFactorIsChangedOnlyOnAProofAsStrongAsIt(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, p := h.signedIn()
		h.enrolled(p)
		stale, future, nobody := strong(p), strong(p), strong(p)
		stale.At, future.At, nobody.User = p.At.Add(-tokens.ProofAge-1), p.At.Add(tokens.ProofAge+time.Second), models.ID{}
		for name, bad := range map[string]tokens.Proof{"password alone": p, "too old": stale, "from the future": future, "nobody's": nobody, "none": {}} {
			for what, do := range map[string]func() error{
				"enrol":   func() error { _, err := h.EnrolTOTP(h.ctx(), bad); return err },
				"confirm": func() error { _, _, err := h.ConfirmTOTP(h.ctx(), Confirm{Proof: bad, Code: "123456"}); return err },
				"remove":  func() error { return h.RemoveTOTP(h.ctx(), bad, visitor) },
				"codes":   func() error { _, err := h.NewCodes(h.ctx(), bad, visitor); return err },
			} {
				if err := do(); !accounts.ErrStepUp.Is(err) {
					t.Errorf("%s, %s: %v", name, what, err)
				}
			}
		}
	})
}

func TestRemovingTheAppEndsOtherSessionsAndItsCodes(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, p := h.signedIn()
		other := h.session(u)
		h.enrolled(p)
		if err := h.RemoveTOTP(h.ctx(), strong(p), visitor); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Tokens.Sessions.ByID(h.ctx(), other.Session); err == nil {
			t.Error("another session lives on")
		}
		if _, err := h.Tokens.Sessions.ByID(h.ctx(), p.Session); err != nil {
			t.Error("this session ended:", err)
		}
		if held, _ := h.Factors.Held(h.ctx(), u.ID); held != (Held{}) {
			t.Errorf("%+v", held)
		}
		if err := h.RemoveTOTP(h.ctx(), strong(p), visitor); apperr.Reason(err) != "not_found" {
			t.Error(err)
		}
		if _, err := h.NewCodes(h.ctx(), strong(p), visitor); !ErrNoSecond.Is(err) {
			t.Error(err)
		}
		if got := h.try("mara", right); got != "" {
			t.Error(got)
		}
	})
}

func TestThePolicyAsksWhomItNames(t *testing.T) {
	for policy, wants := range map[string]map[string]bool{
		MFAOptional: {}, "": {}, MFAAdmins: {"owner": true, "admin": true}, MFARequired: {"owner": true, "admin": true, "user": true},
	} {
		h := newHouse(t, testkit.DB(t), func(d *Deps) { d.Config.MFA = policy })
		for _, role := range []string{"owner", "admin", "user"} {
			h.create(accounts.NewUser{Email: role + "@harbour.example", Username: role, Password: right, Verified: true, Roles: []string{role}})
			res, err := h.SignIn(h.ctx(), Input{Login: role, Password: right, Client: visitor})
			if asked := len(res.Next) == 1 && res.Next[0] == Enrol; err != nil || asked != wants[role] || asked == (res.Access != nil) {
				t.Errorf("MFA=%q, %s: %+v %v", policy, role, res.Next, err)
			}
		}
	}
}

func TestTheLastFactorThatThePolicyAsksForStays(t *testing.T) {
	h := newHouse(t, testkit.DB(t), func(d *Deps) { d.Config.MFA = MFARequired })
	u := h.person("mara@harbour.example", "mara")
	h.enroll(accounts.Factors{User: u.ID, TOTP: someTOTP})
	p := tokens.Proof{User: u.ID, Session: models.NewID(), At: h.clock.Now(), AAL: AAL2}
	if err := h.RemoveTOTP(h.ctx(), p, visitor); !ErrLastFactor.Is(err) {
		t.Error(err)
	}
	h.enroll(accounts.Factors{User: u.ID, Passkeys: []accounts.Passkey{somePasskey("c1")}})
	if err := h.RemoveTOTP(h.ctx(), p, visitor); err != nil {
		t.Error(err)
	}
}

func TestAnAttemptConfirmsOneAppUnder32Tries(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("mara@harbour.example", "mara")
		half := h.half()
		e, err := h.EnrolFirst(h.ctx(), half.Attempt.Reveal(), false, visitor)
		if err != nil {
			t.Fatal(err)
		}
		seed, _ := seedText.DecodeString(e.Secret.Reveal())
		code := h.codeOf(seed, 0)
		answers := race(func(int) error {
			_, _, err := h.ConfirmFirst(h.ctx(), Step{Attempt: half.Attempt.Reveal(), Secret: code, Client: visitor})
			return err
		})
		if answers[""] != 1 || h.count("SELECT COUNT(*) FROM sessions") != 1 {
			t.Errorf("%v", answers)
		}
	}, func(d *Deps) { d.Config.MFA = MFARequired })
}

// toy is a method of another kind: adding it takes this type, its words, its
// page and one line where the room is built.
type toy struct{ enrolled bool }

func (toy) Name() string                                      { return "toy" }
func (toy) Factor() string                                    { return FactorPossession }
func (toy) Uses() Use                                         { return Second | StepUp }
func (toy) AMR() []string                                     { return []string{"toy"} }
func (m toy) Enrolled(context.Context, Account) (bool, error) { return m.enrolled, nil }
func (toy) Verify(_ context.Context, o Offer) (Verdict, error) {
	return Verdict{OK: o.Secret == "toy"}, nil
}

func TestANewMethodIsOneTypeAndOneLine(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("mara@harbour.example", "mara")
		half := h.half()
		if strings.Join(half.Next, " ") != "toy" {
			t.Fatalf("%v", half.Next)
		}
		_, err := h.step(half.Attempt, "toy", "ball")
		wantReason(t, err, "toy_wrong")
		if _, err := h.step(half.Attempt, "toy", "toy"); err != nil {
			t.Error(err)
		}
	}, func(d *Deps) { d.Methods = append(d.Methods, toy{enrolled: true}) })
	defer func() {
		if recover() == nil {
			t.Error("two methods of one name")
		}
	}()
	newHouse(t, testkit.DB(t), func(d *Deps) { d.Methods = append(d.Methods, toy{}, toy{}) })
}

func FuzzPlainCode(f *testing.F) {
	for _, seed := range []string{"123456", "123 456", "12-34-56", "١٢٣٤٥٦", "1234567890123456", "      ", "\x00", "12345６"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := plainCode(typed)
		if !ok {
			return
		}
		if len(code) < 6 || len(code) > 8 || strings.Trim(code, "0123456789") != "" {
			t.Errorf("%q became %q", typed, code)
		}
	})
}

func TestRecoveryCodesAreLongAndSayTheirPlace(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		for position := 1; position <= codeCount; position++ {
			code := newCode(position)
			plain := spellingsOf(strings.ToLower(code))[0]
			if len(plain) != codeSize || strings.Trim(plain, codeLetters) != "" || positionOf(plain) != position || seen[code] {
				t.Fatalf("%q of %d", code, position)
			}
			seen[code] = true
		}
	}
	if spellingsOf("oOiIlL")[0] != "001111" {
		t.Error("letters that look alike are not told apart")
	}
}

func TestTheLinkOfSomebodyElseStaysGood(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, half := h.withTOTP()
		tom := h.person("tom@harbour.example", "tom")
		h.enroll(accounts.Factors{User: tom.ID, TOTP: someTOTP})
		if err := h.MailReset(h.ctx(), tom, "http://localhost:5000", visitor); err != nil {
			t.Fatal(err)
		}
		box, err := h.Accounts.Mail.Inbox(h.ctx())
		if err != nil || len(box) == 0 {
			t.Fatal(err)
		}
		_, token, _ := strings.Cut(box[0].Links[0], "token=")
		if _, err := h.ResetFactors(h.ctx(), Step{Attempt: half.Attempt.Reveal(), Secret: token, Client: visitor}); !ErrLink.Is(err) {
			t.Errorf("a link of another person: %v", err)
		}
		if held, _ := h.Factors.Held(h.ctx(), u.ID); held.TOTP != 1 {
			t.Error("it took a factor away")
		}
		attempts := make([]Result, rivals)
		for i := range attempts {
			res, err := h.SignIn(h.ctx(), Input{Login: "tom", Password: right, Client: visitor})
			if err != nil {
				t.Fatal(err)
			}
			attempts[i] = res
		}
		answers := race(func(i int) error {
			_, err := h.ResetFactors(h.ctx(), Step{Attempt: attempts[i].Attempt.Reveal(), Secret: token, Client: visitor})
			return err
		})
		if answers[""] != 1 || answers["link_ended"] != rivals-1 {
			t.Errorf("%v", answers)
		}
	})
}
