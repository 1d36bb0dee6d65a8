package tokens

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/models"
)

func (r *room) link(n NewLink) (link Link) {
	r.t.Helper()
	r.write(func(tx *gorm.DB) (err error) {
		link, err = r.Links.Create(tx, n)
		return err
	})
	return link
}

// mailed is a link with code and attempt handle, as a sign-up makes it.
func (r *room) mailed() Link {
	r.t.Helper()
	return r.link(NewLink{
		Kind: VerifyEmail, Subject: models.NewID(), TTL: 24 * time.Hour, CodeTTL: 15 * time.Minute,
		WithCode: true, WithAttempt: true,
	})
}

func (r *room) consume(kind LinkKind, token string) (found Found, err error) {
	err = r.db.Write(r.t.Context(), func(tx *gorm.DB) (err error) {
		found, err = r.Links.ConsumeToken(tx, kind, token)
		return err
	})
	return found, err
}

// wrongCode is a code of six digits that is not the right one.
func wrongCode(l Link) string {
	if l.Code.Reveal() == "000000" {
		return "000001"
	}
	return "000000"
}

func TestALinkIsLookedAtAnyNumberOfTimesAndUsedOnce(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		want := Found{link.ID, link.Subject}
		for range 3 {
			if got, err := r.Links.Peek(t.Context(), VerifyEmail, link.Token.Reveal()); err != nil || got != want {
				t.Fatalf("Peek: %v, %v", got, err)
			}
		}
		if got, err := r.Links.ByAttempt(t.Context(), VerifyEmail, link.Attempt.Reveal()); err != nil || got != want {
			t.Fatalf("ByAttempt: %v, %v", got, err)
		}
		if got, err := r.consume(VerifyEmail, link.Token.Reveal()); err != nil || got != want {
			t.Fatalf("first use: %v, %v", got, err)
		}
		_, err := r.consume(VerifyEmail, link.Token.Reveal())
		wantReason(t, err, "link_ended")
		_, err = r.Links.Peek(t.Context(), VerifyEmail, link.Token.Reveal())
		wantReason(t, err, "link_ended")
		_, err = r.Links.CheckCode(t.Context(), VerifyEmail, link.Attempt.Reveal(), link.Code.Reveal())
		wantReason(t, err, "link_ended")
	})
}

func TestEveryBadLinkHasTheSameAnswer(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		good := r.mailed().Token.Reveal()
		bad := map[string]string{
			"empty": "", "unknown": linkPrefix + strings.Repeat("0", tokenBody), "cut": good[:len(good)-1],
			"extended": good + "0", "with a space": good + " ", "other prefix": attemptPrefix + good[len(linkPrefix):],
			"upper case": strings.ToUpper(good), "with NUL": good[:len(good)-1] + "\x00", "long": strings.Repeat(good, 1000),
			"injection": linkPrefix + strings.Repeat("'", tokenBody),
		}
		for name, token := range bad {
			if _, err := r.Links.Peek(t.Context(), VerifyEmail, token); !errors.Is(err, ErrLink) {
				t.Errorf("%s: Peek answered %v", name, err)
			}
			if _, err := r.consume(VerifyEmail, token); !errors.Is(err, ErrLink) {
				t.Errorf("%s: ConsumeToken answered %v", name, err)
			}
			if _, err := r.Links.CheckCode(t.Context(), VerifyEmail, token, "123456"); !errors.Is(err, ErrLink) {
				t.Errorf("%s: CheckCode answered %v", name, err)
			}
		}
		if _, err := r.consume(VerifyEmail, good); err != nil {
			t.Errorf("the good link was harmed: %v", err)
		}
	})
}

func TestALinkOfOneKindOpensNoOther(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		_, err := r.consume(ResetPassword, link.Token.Reveal())
		wantReason(t, err, "link_ended")
		_, err = r.Links.CheckCode(t.Context(), ResetPassword, link.Attempt.Reveal(), link.Code.Reveal())
		wantReason(t, err, "link_ended")
		// Not even when the kind of the row is changed: it is in the hash too.
		r.exec(`UPDATE one_time_tokens SET kind = 'reset_password'`)
		_, err = r.consume(ResetPassword, link.Token.Reveal())
		wantReason(t, err, "link_ended")
	})
}

func TestALinkEndsAtItsTime(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		r.clock.Advance(24*time.Hour - time.Microsecond)
		if _, err := r.Links.Peek(t.Context(), VerifyEmail, link.Token.Reveal()); err != nil {
			t.Fatalf("just before: %v", err)
		}
		r.clock.Advance(time.Microsecond)
		_, err := r.consume(VerifyEmail, link.Token.Reveal())
		wantReason(t, err, "link_ended")
		_, err = r.Links.ByAttempt(t.Context(), VerifyEmail, link.Attempt.Reveal())
		wantReason(t, err, "link_ended")
		r.write(func(tx *gorm.DB) error {
			if ok, err := r.Links.Consume(tx, link.ID); ok || err != nil {
				t.Errorf("Consume of an expired link: %v, %v", ok, err)
			}
			return nil
		})
	})
}

func TestOneOfManyUsesALink(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		won := race(t, func() bool {
			_, err := r.consume(VerifyEmail, link.Token.Reveal())
			if err != nil && !errors.Is(err, ErrLink) {
				t.Error(err)
			}
			return err == nil
		})
		if won != 1 {
			t.Errorf("%d of %d used the link", won, rivals)
		}
	})
}

func TestOneOfManyUsesACode(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		won := race(t, func() bool {
			var ok bool
			err := r.db.Write(t.Context(), func(tx *gorm.DB) (err error) {
				ok, err = r.Links.Consume(tx, link.ID)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			return ok
		})
		if won != 1 {
			t.Errorf("%d of %d consumed the row", won, rivals)
		}
	})
}

func TestManyGuessesAtOnceGetFiveComparisons(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		compared := race(t, func() bool {
			_, err := r.Links.CheckCode(t.Context(), VerifyEmail, link.Attempt.Reveal(), wrongCode(link))
			if !errors.Is(err, ErrCode) && !errors.Is(err, ErrLink) {
				t.Error(err)
			}
			return errors.Is(err, ErrCode)
		})
		if compared != maxCodeTries {
			t.Errorf("%d guesses were compared, want %d", compared, maxCodeTries)
		}
		_, err := r.Links.CheckCode(t.Context(), VerifyEmail, link.Attempt.Reveal(), link.Code.Reveal())
		wantReason(t, err, "link_ended")
		if _, err := r.consume(VerifyEmail, link.Token.Reveal()); err != nil {
			t.Errorf("guessing at the code ended the link: %v", err)
		}
	})
}

func TestARightCodeGivesItsTryBack(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		for range 2 * maxCodeTries {
			found, err := r.Links.CheckCode(t.Context(), VerifyEmail, link.Attempt.Reveal(), link.Code.Reveal())
			if err != nil || found.Subject != link.Subject {
				t.Fatalf("%v, %v", found, err)
			}
		}
		_, err := r.Links.CheckCode(t.Context(), VerifyEmail, link.Attempt.Reveal(), "what")
		wantReason(t, err, "code_wrong")
		if n := r.count(`SELECT code_tries FROM one_time_tokens`); n != 0 {
			t.Errorf("%d tries are gone", n)
		}
	})
}

func TestACodeEndsBeforeItsLink(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		r.clock.Advance(15 * time.Minute)
		_, err := r.Links.CheckCode(t.Context(), VerifyEmail, link.Attempt.Reveal(), link.Code.Reveal())
		wantReason(t, err, "link_ended")
		if _, err := r.Links.Peek(t.Context(), VerifyEmail, link.Token.Reveal()); err != nil {
			t.Errorf("the link ended with its code: %v", err)
		}
	})
}

func TestAResendReplacesTokenAndCodeWithinTheAttempt(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		first := r.mailed()
		for range maxCodeTries {
			_, err := r.Links.CheckCode(t.Context(), VerifyEmail, first.Attempt.Reveal(), wrongCode(first))
			wantReason(t, err, "code_wrong")
		}
		r.clock.Advance(time.Minute)
		second := r.renew(first)
		if second.ID != first.ID || second.Subject != first.Subject || second.Attempt.Reveal() != first.Attempt.Reveal() {
			t.Errorf("the attempt changed: %+v", second)
		}
		_, err := r.consume(VerifyEmail, first.Token.Reveal())
		wantReason(t, err, "link_ended")
		if _, err := r.Links.CheckCode(t.Context(), VerifyEmail, first.Attempt.Reveal(), second.Code.Reveal()); err != nil {
			t.Errorf("the new code: %v", err)
		}
		if _, err := r.consume(VerifyEmail, second.Token.Reveal()); err != nil {
			t.Errorf("the new link: %v", err)
		}
		if n := r.count(`SELECT COUNT(*) FROM one_time_tokens`); n != 1 {
			t.Errorf("%d rows for one attempt", n)
		}
		if _, err := r.tryRenew(first); !errors.Is(err, ErrLink) {
			t.Errorf("a used attempt was renewed: %v", err)
		}
	})
}

func (r *room) tryRenew(old Link) (link Link, err error) {
	err = r.db.Write(r.t.Context(), func(tx *gorm.DB) (err error) {
		link, err = r.Links.Renew(tx, old.Attempt.Reveal(), NewLink{
			Kind: VerifyEmail, TTL: 24 * time.Hour, CodeTTL: 15 * time.Minute, WithCode: true,
		})
		return err
	})
	return link, err
}

func (r *room) renew(old Link) Link {
	r.t.Helper()
	link, err := r.tryRenew(old)
	if err != nil {
		r.t.Fatal(err)
	}
	return link
}

func TestATryReservedBeforeAResendIsNotSpentOnTheNewCode(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		hash, _ := hashAttempt(VerifyEmail, link.Attempt.Reveal())
		row, err := r.Links.findCode(t.Context(), VerifyEmail, hash)
		if err != nil {
			t.Fatal(err)
		}
		r.renew(link)
		wantReason(t, r.Links.reserveTry(t.Context(), row), "link_ended")
	})
}

func TestEndReachesOneKindOfOneSubject(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna, ben := models.NewID(), models.NewID()
		gone := r.link(NewLink{Kind: ResetPassword, Subject: anna, TTL: time.Hour})
		kept := []Link{
			r.link(NewLink{Kind: ResetPassword, Subject: ben, TTL: time.Hour}),
			r.link(NewLink{Kind: ResetPassword, TTL: time.Hour}),
		}
		setup := r.link(NewLink{Kind: Setup, TTL: time.Hour})
		r.write(func(tx *gorm.DB) error {
			n, err := r.Links.End(tx, ResetPassword, anna)
			if n != 1 {
				t.Errorf("%d links ended, want 1", n)
			}
			return err
		})
		r.write(func(tx *gorm.DB) error { _, err := r.Links.End(tx, Setup, models.ID{}); return err })
		for _, l := range kept {
			if _, err := r.Links.Peek(t.Context(), ResetPassword, l.Token.Reveal()); err != nil {
				t.Errorf("another link ended: %v", err)
			}
		}
		_, err := r.Links.Peek(t.Context(), ResetPassword, gone.Token.Reveal())
		wantReason(t, err, "link_ended")
		_, err = r.Links.Peek(t.Context(), Setup, setup.Token.Reveal())
		wantReason(t, err, "link_ended")
	})
}

func TestTheTableHoldsNoSecretOfALink(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		link := r.mailed()
		var row models.OneTimeToken
		if err := r.db.Read(t.Context()).First(&row).Error; err != nil {
			t.Fatal(err)
		}
		dump := fmt.Sprintf("%q %q %q", row.TokenHash, row.AttemptHash, row.CodeMAC)
		for _, secret := range []string{link.Token.Reveal(), link.Attempt.Reveal(), link.Code.Reveal()} {
			if strings.Contains(dump, secret) {
				t.Errorf("the row holds %q", secret)
			}
		}
		if got := fmt.Sprintf("%v %+v %#v", link, link, link); strings.Contains(got, link.Token.Reveal()) {
			t.Error("printing a link shows its token")
		}
	})
}

func TestACodeIsReadAsPeopleTypeIt(t *testing.T) {
	for typed, want := range map[string]string{
		"123456": "123456", " 123 456 ": "123456", "123-456": "123456", "1 2 3 4 5 6": "123456", "000000": "000000",
		"": "", "12345": "", "1234567": "", "12345a": "", "123.456": "", "+123456": "", "123\u00a0456": "", "123\t456": "",
		"\u0661\u0662\u0663\u0664\u0665\u0666": "", "\uff11\uff12\uff13\uff14\uff15\uff16": "", "123456\x00": "",
		"-1e5": "", strings.Repeat(" ", 100) + "123456": "",
	} {
		if got, ok := parseCode(typed); ok != (want != "") || ok && got != want {
			t.Errorf("%q was read as %q, %v", typed, got, ok)
		}
	}
}

func FuzzCode(f *testing.F) {
	f.Add("123 456")
	f.Add("12-34-56")
	f.Add("\uff11\uff12\uff13\uff14\uff15\uff16")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := parseCode(typed)
		if !ok {
			return
		}
		if len(code) != codeLen || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q was read as %q", typed, code)
		}
		if again, ok := parseCode(code); !ok || again != code {
			t.Fatalf("%q is read as %q the second time", code, again)
		}
		if rest := strings.NewReplacer(" ", "", "-", "").Replace(typed); rest != code {
			t.Fatalf("%q lost more than spaces and dashes: %q", typed, code)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add("gh_ws_" + strings.Repeat("z", tokenBody))
	f.Add("gh_ot_" + strings.Repeat("0", tokenBody-1))
	f.Add("gh_at_\x00")
	f.Fuzz(func(t *testing.T, s string) {
		kinds := 0
		for _, prefix := range []string{cookiePrefix, linkPrefix, attemptPrefix} {
			if !wellFormed(s, prefix) {
				continue
			}
			kinds++
			if len(s) != len(prefix)+tokenBody || strings.ContainsFunc(s, func(r rune) bool { return r != '_' && r > 127 || r < '0' }) {
				t.Fatalf("%q passes as a token", s)
			}
		}
		if kinds > 1 {
			t.Fatalf("%q passes as more than one kind", s)
		}
		if _, ok := cookieHash(s); ok != wellFormed(s, cookiePrefix) {
			t.Fatalf("%q is hashed and not well formed, or the other way round", s)
		}
	})
}
