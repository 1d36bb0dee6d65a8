package accounts

import (
	"testing"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/ratelimit"
	"gatehouse/mail"
)

func TestASignUpIsNoAccountUntilItsAddressIsConfirmed(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		attempt, m := h.signUp("Ada@Example.com", "Ada")
		if m.Purpose != mail.VerifyEmail || len(m.Code) != 6 || attempt == "" {
			t.Fatalf("mail %+v, attempt %q", m, attempt)
		}
		if u, err := h.ByLogin(h.ctx(), "ada@example.com"); u != nil || err != nil {
			t.Fatal("there is an account before its address was confirmed", u, err)
		}
		u, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: m.Code, Client: visitor})
		if err != nil {
			t.Fatal(err)
		}
		for _, login := range []string{"ada@example.com", "ADA", "ＡＤＡ", " ada "} {
			got, err := h.ByLogin(h.ctx(), login)
			if err != nil || got == nil || got.ID != u.ID {
				t.Errorf("%q finds %v %v", login, got, err)
			}
		}
		got, _ := h.Get(h.ctx(), u.ID)
		if got.Email != "Ada@Example.com" || *got.Username != "Ada" || got.EmailVerifiedAt.IsZero() || got.Locale != "en" {
			t.Errorf("stored %+v", got)
		}
		if n := h.count("SELECT COUNT(*) FROM pending_signups"); n != 0 {
			t.Errorf("%d pending rows stay", n)
		}
		if h.recorded(audit.SignupRequested) != 1 || h.recorded(audit.SignupVerified) != 1 {
			t.Error("the record misses a step")
		}
	})
}

func TestATakenAddressIsToldToTheMailboxAlone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		before := h.count("SELECT COUNT(*) FROM pending_signups") + h.count("SELECT COUNT(*) FROM one_time_tokens")
		taken, m := h.signUp("ADA@example.com", "ada")
		if m.Purpose != mail.AlreadyRegistered || m.Code != "" || m.To != "ada@example.com" {
			t.Errorf("the mailbox got %+v", m)
		}
		after := h.count("SELECT COUNT(*) FROM pending_signups") + h.count("SELECT COUNT(*) FROM one_time_tokens")
		free, _ := h.signUp("bob@example.com", "bob")
		last := h.count("SELECT COUNT(*) FROM pending_signups") + h.count("SELECT COUNT(*) FROM one_time_tokens")
		if after-before != 2 || last-after != 2 || len(taken) != len(free) {
			t.Errorf("a taken address writes %d rows, a free one %d", after-before, last-after)
		}
		for _, attempt := range []string{taken, free} {
			_, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: "000000"})
			wantReason(t, err, "code_wrong")
			if err := h.Resend(h.ctx(), attempt, visitor); err != nil {
				t.Error(err)
			}
		}
		if m := h.lastMail("ada@example.com"); m.Purpose != mail.AlreadyRegistered {
			t.Error("a resend told the mailbox another story:", m.Purpose)
		}
	})
}

func TestATakenUsernameIsToldOnlyAfterTheAddressIsProved(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		attempt, m := h.signUp("bob@example.com", "ＡDA")
		in := VerifyInput{Attempt: attempt, Code: m.Code, Client: visitor}
		_, err := h.Verify(h.ctx(), in)
		wantReason(t, err, "username_taken")
		wantField(t, err, "username", "taken")
		if apperr.From(err).Kind != apperr.Conflict {
			t.Error("not a conflict:", err)
		}
		in.Username = "bob"
		u, err := h.Verify(h.ctx(), in) // the code is still good
		if err != nil || *u.Username != "bob" {
			t.Error(u, err)
		}
	})
}

func TestALinkOpenedElsewhereAsksForTheSignUpPassword(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		attempt, m := h.signUp("ada@example.com", "")
		other, _ := h.signUp("bob@example.com", "")
		token := h.linkToken(m)
		for range 3 {
			if peek, err := h.PeekVerify(h.ctx(), token); err != nil || peek.Email != "ada@example.com" {
				t.Fatal(peek, err)
			}
		}
		if own, err := h.OwnsVerify(h.ctx(), token, attempt); !own || err != nil {
			t.Error(own, err)
		}
		if own, err := h.OwnsVerify(h.ctx(), token, other); own || err != nil {
			t.Error("another attempt owns the link", err)
		}
		_, err := h.Verify(h.ctx(), VerifyInput{Token: token})
		wantField(t, err, "password", "required")
		_, err = h.Verify(h.ctx(), VerifyInput{Token: token, Attempt: other})
		wantField(t, err, "password", "required")
		_, err = h.Verify(h.ctx(), VerifyInput{Token: token, Password: "not this one"})
		wantField(t, err, "password", "wrong")
		if u, err := h.Verify(h.ctx(), VerifyInput{Token: token, Password: goodPassword}); err != nil || u.Username != nil {
			t.Error(u, err)
		}
		_, err = h.Verify(h.ctx(), VerifyInput{Token: token, Password: goodPassword})
		wantReason(t, err, "link_ended")
		_, err = h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: m.Code})
		wantReason(t, err, "link_ended")
	})
}

// Another node has a memory of its own, and counts in the same rows.
func TestGuessesOfTheSignUpPasswordAreBoundedOnAllNodesTogether(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, m := h.signUp("ada@example.com", "")
		in := VerifyInput{Token: h.linkToken(m), Password: "wrong"}
		other := *h.Service
		other.Limits = ratelimit.NewLimits(ratelimit.New(h.clock.Now, 0), rules)
		rule := rules[ratelimit.SignupPassword]
		answers := race(func(i int) error {
			node := []*Service{h.Service, &other}[i%2]
			_, err := node.Verify(h.ctx(), in)
			return err
		})
		if answers["too_many_attempts"] != rivals-rule.N {
			t.Errorf("%d nodes of one database: %v", 2, answers)
		}
		in.Password = goodPassword
		_, err := other.Verify(h.ctx(), in)
		wantReason(t, err, "too_many_attempts")
		h.clock.Advance(rule.Per / time.Duration(rule.N))
		if _, err := other.Verify(h.ctx(), in); err != nil {
			t.Error("a share of the time later:", err)
		}
	})
}

func TestTheLinkOfTheSameBrowserNeedsNoPassword(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		attempt, m := h.signUp("ada@example.com", "")
		if _, err := h.Verify(h.ctx(), VerifyInput{Token: h.linkToken(m), Attempt: attempt}); err != nil {
			t.Error(err)
		}
	})
}

func TestOfManyConfirmationsOfOneSignUpOneWins(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		attempt, m := h.signUp("ada@example.com", "ada")
		token := h.linkToken(m)
		answers := race(func(i int) error {
			_, err := h.Verify(h.ctx(), VerifyInput{Token: token, Attempt: attempt})
			return err
		})
		if answers[""] != 1 || h.count("SELECT COUNT(*) FROM users") != 1 {
			t.Errorf("answers %v", answers)
		}
	})
}

func TestOfManySignUpsWithOneAddressOneBecomesTheAccount(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var links [rivals]struct{ attempt, token string }
		for i := range rivals {
			attempt, m := h.signUp("ada@example.com", "")
			links[i].attempt, links[i].token = attempt, h.linkToken(m)
		}
		answers := race(func(i int) error {
			_, err := h.Verify(h.ctx(), VerifyInput{Token: links[i].token, Attempt: links[i].attempt})
			return err
		})
		if answers[""] != 1 || answers["email_taken"] != rivals-1 {
			t.Errorf("answers %v", answers)
		}
	}, noMailCap)
}

func TestOfManySignUpsWithOneUsernameOneGetsIt(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var in [rivals]VerifyInput
		for i := range rivals {
			attempt, m := h.signUp(address(i), "Ada")
			in[i] = VerifyInput{Attempt: attempt, Code: m.Code}
		}
		answers := race(func(i int) error {
			_, err := h.Verify(h.ctx(), in[i])
			return err
		})
		if answers[""] != 1 || answers["username_taken"] != rivals-1 {
			t.Errorf("answers %v", answers)
		}
	})
}

func TestTheCapOfMailsChangesNoAnswer(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		first, m := h.signUp("ada@example.com", "")
		for range 6 {
			if attempt, _ := h.signUp("ADA@example.com", ""); len(attempt) != len(first) {
				t.Error("the answer changed at the cap")
			}
		}
		if n := len(h.mailsTo("ada@example.com")); n != 5 {
			t.Errorf("%d mails left, the cap is 5", n)
		}
		if err := h.Resend(h.ctx(), first, visitor); err != nil {
			t.Error(err)
		}
		if _, err := h.Verify(h.ctx(), VerifyInput{Attempt: first, Code: m.Code}); err != nil {
			t.Error("a code that was sent before the cap is dead:", err)
		}
	})
}

func TestAResendEndsTheCodeBeforeIt(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		attempt, old := h.signUp("ada@example.com", "")
		h.clock.Advance(time.Minute)
		if err := h.Resend(h.ctx(), attempt, visitor); err != nil {
			t.Fatal(err)
		}
		fresh := h.lastMail("ada@example.com")
		if fresh.Code == old.Code {
			t.Skip("two codes happen to be equal")
		}
		_, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: old.Code})
		wantReason(t, err, "code_wrong")
		if _, err := h.PeekVerify(h.ctx(), h.linkToken(old)); err == nil {
			t.Error("the old link is alive")
		}
		if _, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: fresh.Code}); err != nil {
			t.Error(err)
		}
	})
}

func TestCodesAndLinksEnd(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		attempt, m := h.signUp("ada@example.com", "")
		h.clock.Advance(CodeTTL + time.Second)
		_, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: m.Code})
		wantReason(t, err, "link_ended")
		h.clock.Advance(signupTTL)
		_, err = h.PeekVerify(h.ctx(), h.linkToken(m))
		wantReason(t, err, "link_ended")
		if err := h.Trim(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM pending_signups") != 0 {
			t.Error("an expired sign-up stays", err)
		}
	})
}

func TestEveryWrongFieldIsNamedAtOnce(t *testing.T) {
	h := newHouse(t, sqlite(t))
	_, err := h.Register(h.ctx(), Register{Email: "nonsense", Password: "short", Username: "a b", Name: "x\x00"})
	for name, reason := range map[string]string{
		"email": "not_an_address", "password": "too_short", "username": "unusable", "name": "unusable",
	} {
		wantField(t, err, name, reason)
	}
	_, err = h.Register(h.ctx(), Register{})
	wantField(t, err, "email", "required")
	wantField(t, err, "password", "required")
	_, err = h.Register(h.ctx(), Register{Email: "adalovelace@example.com", Password: "AdaLovelace"})
	wantField(t, err, "password", "same_as_name")
	if n := h.count("SELECT COUNT(*) FROM pending_signups"); n != 0 {
		t.Errorf("%d rows of refused sign-ups", n)
	}
}

func TestSignUpFollowsItsSetting(t *testing.T) {
	for setting, reason := range map[string]string{SignupClosed: "signup_closed", SignupInvite: "signup_invite_only"} {
		h := newHouse(t, sqlite(t), func(d *Deps) { d.Config.Signup = setting })
		_, err := h.Register(h.ctx(), Register{Email: "ada@example.com", Password: goodPassword})
		wantReason(t, err, reason)
	}
}

func TestSignUpSaysWhenMailCannotLeave(t *testing.T) {
	silent, err := mail.New(mail.Deps{AppName: "x", BaseURL: "http://localhost:5000"})
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, sqlite(t), func(d *Deps) { d.Mail = silent })
	_, err = h.Register(h.ctx(), Register{Email: "ada@example.com", Password: goodPassword})
	wantReason(t, err, "mail_not_configured")
}

func TestSignUpsOfOneNetworkAreLimited(t *testing.T) {
	h := newHouse(t, sqlite(t), limited(ratelimit.Signup, 2, time.Hour))
	h.signUp("a@example.com", "")
	h.signUp("b@example.com", "")
	_, err := h.Register(h.ctx(), Register{Email: "c@example.com", Password: goodPassword, Client: visitor})
	wantReason(t, err, "too_many_attempts")
	if apperr.From(err).RetryAfter <= 0 {
		t.Error("it doesn't say when")
	}
}

func TestWithOptionalVerificationTheAccountIsThereAtOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		out, err := h.Register(h.ctx(), Register{Email: "ada@example.com", Password: goodPassword, Username: "ada", Client: visitor})
		if err != nil || out.Active == nil || !out.Attempt.IsZero() {
			t.Fatal(out, err)
		}
		if h.NeedsVerification(out.Active) {
			t.Error("it may not sign in")
		}
		_, err = h.Register(h.ctx(), Register{Email: "ADA@example.com", Password: goodPassword, Client: visitor})
		wantReason(t, err, "email_taken")
		_, err = h.Register(h.ctx(), Register{Email: "bob@example.com", Password: goodPassword, Username: "ADA", Client: visitor})
		wantReason(t, err, "username_taken")
		// The mail of an active account confirms the address afterwards.
		token := h.linkToken(h.lastMail("ada@example.com"))
		u, err := h.Verify(h.ctx(), VerifyInput{Token: token, Password: goodPassword})
		if err != nil || u.ID != out.Active.ID {
			t.Fatal(u, err)
		}
		if got, _ := h.Get(h.ctx(), u.ID); got.EmailVerifiedAt.IsZero() {
			t.Error("the address is still not confirmed")
		}
	}, optional)
}

func TestOfManyOptionalSignUpsWithOneAddressOneWins(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		answers := race(func(int) error {
			_, err := h.Register(h.ctx(), Register{Email: "ada@example.com", Password: goodPassword, Client: visitor})
			return err
		})
		if answers[""] != 1 || answers["email_taken"] != rivals-1 {
			t.Errorf("answers %v", answers)
		}
	}, optional)
}

func TestLookAlikesAreDecidedAlikeByEveryDatabase(t *testing.T) {
	names := []string{"admin", "ádmin", "adm\u0131n", "straße", "strasse", "\u0430\u0434\u043C\u0438\u043D", "admin.", "admin_"}
	same := map[string]string{"ADMIN": "admin", "ＡＤＭＩＮ": "admin", "admin ": "admin", "ÁDMIN": "ádmin", "STRASSE": "strasse"}
	eachHouse(t, func(t *testing.T, h *house) {
		_, err := h.CreateUser(h.ctx(), NewUser{Email: "z@example.com", Username: "\u0430dmin"}, visitor)
		wantField(t, err, "username", "mixed_scripts")
		ids := map[string]string{}
		for i, name := range names {
			ids[name] = h.person(address(i), name).ID.String()
		}
		for other, name := range same {
			_, err := h.CreateUser(h.ctx(), NewUser{Email: "z@example.com", Username: other}, visitor)
			wantReason(t, err, "username_taken")
			if u, _ := h.ByLogin(h.ctx(), other); u == nil || u.ID.String() != ids[name] {
				t.Errorf("%+q does not find %+q", other, name)
			}
		}
		if n := h.count("SELECT COUNT(*) FROM users"); n != int64(len(names)) {
			t.Errorf("%d accounts of %d names", n, len(names))
		}
	})
}
