package signin

import (
	"strings"
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// codeAt is what an app shows for someTOTP, made apart from the product (RFC
// 6238, appendix B is its own test).
func (h *house) codeAt(shift time.Duration) string {
	return independentCode(someTOTP.Secret, h.clock.Now().Add(shift).Unix()/30)
}

// withTOTP is a person with an app, and half a sign-in of theirs.
func (h *house) withTOTP() (*models.User, Result) {
	h.t.Helper()
	u := h.person("mara@harbour.example", "mara")
	h.enroll(accounts.Factors{User: u.ID, TOTP: someTOTP, RecoveryCodes: []string{digestOf("0123456789ABCDEF"), digestOf("another")}})
	return u, h.half()
}

func (h *house) half() Result {
	h.t.Helper()
	res, err := h.SignIn(h.ctx(), Input{Login: "mara", Password: right, Client: visitor})
	if err != nil || res.Attempt.IsZero() {
		h.t.Fatal(res, err)
	}
	return res
}

func (h *house) step(attempt secrets.Raw, method, code string) (Result, error) {
	return h.Continue(h.ctx(), Step{Attempt: attempt.Reveal(), Method: method, Secret: code, Client: visitor})
}

func TestASecondFactorCompletesASignIn(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, half := h.withTOTP()
		if strings.Join(half.Next, " ") != "totp recovery" || half.Access != nil || !half.Session.Cookie.IsZero() {
			t.Fatalf("half a sign-in: %+v", half)
		}
		if n := h.count("SELECT COUNT(*) FROM sessions"); n != 0 {
			t.Errorf("half a sign-in made %d sessions", n)
		}
		res, err := h.step(half.Attempt, "totp", h.codeAt(0))
		if err != nil || res.User.ID != u.ID || res.Access == nil || res.Refresh == nil {
			t.Fatalf("%+v %v", res, err)
		}
		s, err := h.Tokens.Sessions.ByID(h.ctx(), res.Session.ID)
		if err != nil || s.ACR != AAL2 || string(s.AMR) != "pwd otp mfa" || !s.AuthTime.Equal(h.clock.Now()) {
			t.Errorf("%+v %v", s, err)
		}
		if h.counters() != 0 || h.recorded(audit.SignIn, "") != 1 || h.recorded(audit.SignInStep, "") != 1 {
			t.Error("counters", h.counters())
		}
		if _, err := h.step(half.Attempt, "totp", h.codeAt(30*time.Second)); !ErrAttempt.Is(err) {
			t.Errorf("the attempt works twice: %v", err)
		}
	})
}

func TestHalfASignInDiesWithTimeAndWithThePassword(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, half := h.withTOTP()
		h.clock.Advance(attemptTTL)
		if _, err := h.step(half.Attempt, "totp", h.codeAt(0)); !ErrAttempt.Is(err) {
			t.Errorf("after its time: %v", err)
		}
		half = h.half()
		if err := h.Accounts.EndAllSessions(h.ctx(), u.ID, visitor); err != nil {
			t.Fatal(err)
		}
		if _, err := h.step(half.Attempt, "totp", h.codeAt(0)); !ErrAttempt.Is(err) {
			t.Errorf("after everything was ended: %v", err)
		}
		for _, handle := range []string{"", "gh_si_", half.Attempt.Reveal() + "x", "gh_at_" + half.Attempt.Reveal()[6:], strings.Repeat("a", 49)} {
			if _, err := h.Continue(h.ctx(), Step{Attempt: handle, Method: "totp", Secret: h.codeAt(0), Client: visitor}); !ErrAttempt.Is(err) {
				t.Errorf("%q: %v", handle, err)
			}
		}
		half = h.half()
		_, err := h.Continue(h.ctx(), Step{Attempt: half.Attempt.Reveal(), Method: "totp", Secret: h.codeAt(0), Web: true, Client: visitor})
		if !ErrAttempt.Is(err) {
			t.Errorf("a browser goes on with the attempt of a program: %v", err)
		}
		if err := h.Trim(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM signin_attempts") != 2 {
			t.Error(err, h.count("SELECT COUNT(*) FROM signin_attempts"))
		}
	})
}

func TestASecondStepTakesOnlyWhatTheAccountHas(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, half := h.withTOTP()
		for _, method := range []string{"", "password", "passkey", "enrol", "no such"} {
			if _, err := h.step(half.Attempt, method, right); !ErrNotNext.Is(err) {
				t.Errorf("%q: %v", method, err)
			}
		}
		if h.counters() != 0 {
			t.Error("a try that was not looked at is counted")
		}
	})
}

// The guesses at a code are counted apart from those at the password, and
// neither a new attempt nor a new password makes the count begin anew.
func TestStartingOverDoesNotResetTheCounterOfASecondFactor(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, half := h.withTOTP()
		for i := range defaultFree {
			if i%2 == 0 {
				half = h.half()
			}
			_, err := h.step(half.Attempt, "totp", "000000")
			wantReason(t, err, "totp_wrong")
		}
		h.clock.Advance(time.Millisecond) // so that the new password is of another time
		proof := h.fresh(u)
		if err := h.Accounts.ChangePassword(h.ctx(), proof, right+"!", models.ID{}, visitor); err != nil {
			t.Fatal(err)
		}
		res, err := h.SignIn(h.ctx(), Input{Login: "mara", Password: right + "!", Client: visitor})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.step(res.Attempt, "totp", h.codeAt(0))
		wantReason(t, err, "too_many_attempts")
		if apperr.From(err).RetryAfter < time.Second {
			t.Error("it doesn't say when")
		}
		if _, err := h.step(res.Attempt, "recovery", "0123-4567-89AB-CDEF"); err != nil {
			t.Errorf("the other way is shut too: %v", err)
		}
	})
}

func TestOfManyTriesWithOneCodeOneWins(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for _, c := range []struct{ method, code string }{{"totp", ""}, {"recovery", "0123-4567 89ab-cdef"}} {
			t.Run(c.method, func(t *testing.T) {
				var attempts []secrets.Raw
				if c.method == "totp" {
					_, first := h.withTOTP()
					attempts, c.code = append(attempts, first.Attempt), h.codeAt(0)
				}
				for len(attempts) < rivals {
					attempts = append(attempts, h.half().Attempt)
				}
				answers := race(func(i int) error {
					_, err := h.step(attempts[i], c.method, c.code)
					return err
				})
				if answers[""] != 1 || answers[""]+answers[c.method+"_wrong"]+answers[c.method+"_used"] != rivals {
					t.Errorf("%v", answers)
				}
			})
		}
	}, func(d *Deps) { d.Config.FreeTries = -1 })
}

// fresh is a proof that accounts takes.
func (h *house) fresh(u *models.User) tokensProof {
	return tokensProof{User: u.ID, Session: models.NewID(), At: h.clock.Now(), AAL: AAL2}
}
