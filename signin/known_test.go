package signin

import (
	"strings"
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/tokens"
)

// at is a visitor with a browser of its own, from some network.
func at(i int) tokens.Client {
	by := network(i)
	by.Browser, by.Fresh = accounts.NewDevice(), accounts.NewDevice()
	return by
}

// by is try as somebody.
func (h *house) by(who tokens.Client, login, secret string) string {
	h.t.Helper()
	_, err := h.SignIn(h.ctx(), Input{Login: login, Password: secret, Web: true, Client: who})
	return apperr.Reason(err)
}

// besiege has strangers of many networks use up what they may try for now.
func (h *house) besiege(login string) {
	h.t.Helper()
	for i := range 40 {
		if h.from(1000+i, login, wrong) == "too_many_attempts" {
			return
		}
	}
	h.t.Fatal("strangers have no limit")
}

func TestAStrangerDoesNotDelayTheOwnerInAKnownBrowser(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		home := at(1)
		if got := h.by(home, "ada", right); got != "" {
			t.Fatal(got)
		}
		h.besiege("ada")
		if got := h.by(at(2), "ada", right); got != "too_many_attempts" {
			t.Error("a browser that nobody has seen:", got)
		}
		stolen := tokens.Client{IP: "203.0.113.99", Browser: home.Browser}
		for range 2 {
			if got := h.by(stolen, "ada", wrong); got != "invalid_credentials" {
				t.Error("from another network:", got)
			}
		}
		before := h.tries()
		if got := h.by(home, "ada@example.com", right); got != "" {
			t.Error("the owner waits for strangers:", got)
		}
		if got := h.tries(); got != before-2 {
			t.Errorf("a success in the browser took %d tries back, want its own 2", before-got)
		}
		if got := h.by(at(3), "ada", right); got != "too_many_attempts" {
			t.Error("the owner's success opens the run of strangers:", got)
		}
	})
}

func TestAKnownBrowserHasTheSameRules(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		home := at(1)
		if got := h.by(home, "ada", right); got != "" {
			t.Fatal(got)
		}
		answers := race(func(int) error {
			_, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: wrong, Web: true, Client: home})
			return err
		})
		if answers["invalid_credentials"] != defaultFree || answers["too_many_attempts"] != rivals-defaultFree {
			t.Errorf("%v", answers)
		}
		delay := firstDelay
		for range 14 {
			_, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Client: home})
			wantReason(t, err, "too_many_attempts")
			if got := apperr.From(err).RetryAfter; got != delay {
				t.Fatalf("wait %v, want %v", got, delay)
			}
			h.clock.Advance(delay)
			h.by(home, "ada", wrong)
			delay = min(2*delay, ofAccount.last)
		}
		if got := h.by(at(2), "ada", right); got != "" {
			t.Error("a stolen cookie locks everybody else out:", got)
		}
	})
}

// A cookie counts for the account whose secret was right in that browser, and
// for nothing else; nobody can make one up.
func TestABrowserIsKnownForOneAccountAndWhatWasShownThere(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		h.person("bob@example.com", "bob")
		bobs := at(1)
		h.by(bobs, "bob", right)
		for _, login := range []string{"ada", "nobody", "no\u200bbody"} {
			h.besiege(login)
			for what, who := range map[string]tokens.Client{
				"no cookie": network(2), "a new one": at(3), "that of somebody else": bobs,
			} {
				_, err := h.SignIn(h.ctx(), Input{Login: login, Password: right, Web: true, Client: who})
				wantReason(t, err, "too_many_attempts")
				if got := apperr.From(err).RetryAfter; got != firstDelay {
					t.Errorf("%s, %s: waits %v", login, what, got)
				}
			}
		}
		if got := h.by(bobs, "bob", right); got != "" {
			t.Error(got)
		}
	})
}

func TestEndingEverythingMakesEveryBrowserAStranger(t *testing.T) {
	again := right + " again"
	for what, end := range map[string]func(h *house, u *models.User, home tokens.Client) (password string, homeStays bool){
		"signing out everywhere": func(h *house, u *models.User, _ tokens.Client) (string, bool) {
			if err := h.Accounts.EndAllSessions(h.ctx(), u.ID, visitor); err != nil {
				h.t.Fatal(err)
			}
			return right, false
		},
		"a disabling": func(h *house, u *models.User, _ tokens.Client) (string, bool) {
			for _, off := range []bool{true, false} {
				if err := h.Accounts.SetDisabled(h.ctx(), u.ID, off, visitor); err != nil {
					h.t.Fatal(err)
				}
			}
			return right, false
		},
		"a new password": func(h *house, u *models.User, home tokens.Client) (string, bool) {
			if err := h.Accounts.ChangePassword(h.ctx(), h.fresh(u), again, models.ID{}, home); err != nil {
				h.t.Fatal(err)
			}
			return again, true
		},
		"a reset": func(h *house, u *models.User, home tokens.Client) (string, bool) {
			h.reset(u, again, home)
			return again, true
		},
	} {
		t.Run(what, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				u := h.person("ada@example.com", "ada")
				home, other := at(1), at(2)
				h.by(home, "ada", right)
				h.by(other, "ada", right)
				h.clock.Advance(time.Second)
				password, homeStays := end(h, u, home)
				h.besiege("ada")
				if got := h.by(other, "ada", password); got != "too_many_attempts" {
					t.Error("another browser is still known:", got)
				}
				if homeStays {
					if got := h.by(home, "ada", password); got != "too_many_attempts" {
						t.Error("a copy of the cookie that home had:", got)
					}
					home.Browser = home.Fresh
				}
				if got := h.by(home, "ada", password); (got == "") != homeStays {
					t.Error("the browser it was done in:", got)
				}
			})
		})
	}
}

// The owner comes back to a browser after the end, and is known there again by
// another value: whoever has a copy of the old one is a stranger for good, and so
// is a program that the answer cannot leave anything with.
func TestACookieThatWasStolenBeforeEverythingWasEndedIsNeverKnownAgain(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		home := at(1)
		if got := h.by(home, "ada", right); got != "" {
			t.Fatal(got)
		}
		stolen := home
		stolen.Fresh = accounts.NewDevice()
		if err := h.Accounts.EndAllSessions(h.ctx(), u.ID, visitor); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time the answer was lost on its way
			res, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Web: true, Client: stolen})
			if err != nil {
				t.Fatal(err)
			}
			if secrets.Equal(res.Browser.RevealBytes(), stolen.Browser.RevealBytes()) {
				t.Fatal("the browser goes on by the old value")
			}
			home.Browser = res.Browser
		}
		program := stolen
		program.Fresh = secrets.Raw{}
		if got := h.by(program, "ada", right); got != "" {
			t.Fatal(got)
		}
		h.besiege("ada")
		if got := h.by(stolen, "ada", right); got != "too_many_attempts" {
			t.Error("the copy is known again:", got)
		}
		res, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Web: true, Client: home})
		if err != nil {
			t.Fatal("the owner waits for strangers:", err)
		}
		if !secrets.Equal(res.Browser.RevealBytes(), home.Browser.RevealBytes()) {
			t.Error("a browser that is known gets another value")
		}
	})
}

// Two people at one browser do not take its cookie away from each other.
func TestTwoPeopleAtOneBrowserAreKnownByOneValue(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		h.person("bob@example.com", "bob")
		home := at(1)
		for _, login := range []string{"ada", "bob", "ada", "bob"} {
			res, err := h.SignIn(h.ctx(), Input{Login: login, Password: right, Web: true, Client: home})
			if err != nil || !secrets.Equal(res.Browser.RevealBytes(), home.Browser.RevealBytes()) {
				t.Error(login, err)
			}
		}
	})
}

// reset sets a new password by a link, as somebody.
func (h *house) reset(u *models.User, password string, by tokens.Client) {
	h.t.Helper()
	h.clock.Advance(time.Second) // so that the new password is of another time
	link, err := h.Accounts.ResetLink(h.ctx(), u.ID, by)
	if err != nil {
		h.t.Fatal(err)
	}
	_, token, _ := strings.Cut(link.Reveal(), "token=")
	err = h.Accounts.ResetPassword(h.ctx(), accounts.ResetInput{Token: token, Password: password, Client: by})
	if err != nil {
		h.t.Fatal(err)
	}
}

// Who reads a mailbox sets a new password as often as wanted, and gets no guess
// at the code of the app by it.
func TestAResetBuysNoGuessesAtASecondFactor(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, _ := h.withTOTP()
		home := at(1)
		if got := h.both(home, h.codeAt(0)); got != "" {
			t.Fatal(got)
		}
		looked := 0
		for i := range 4 {
			thief := at(100 + i)
			password := right + string(rune('a'+i))
			h.reset(u, password, thief)
			for range 6 {
				half, err := h.SignIn(h.ctx(), Input{Login: "mara", Password: password, Web: true, Client: thief})
				if err != nil {
					t.Fatal(err)
				}
				_, err = h.Continue(h.ctx(), Step{Attempt: half.Attempt.Reveal(), Method: "totp", Secret: "000000", Web: true, Client: thief})
				if apperr.Reason(err) == "totp_wrong" {
					looked++
				}
			}
		}
		if most := defaultFree + 2; looked > most { // the free ones, and those after 1 s and 2 s
			t.Errorf("%d codes were looked at, want %d at most", looked, most)
		}
	})
}

func TestWhoHasThePasswordDoesNotDelayTheCodeInAKnownBrowser(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		_, half := h.withTOTP()
		home, before := at(1), at(2)
		if got := h.both(home, h.codeAt(0)); got != "" {
			t.Fatal(got)
		}
		for range defaultFree {
			_, err := h.step(half.Attempt, "totp", "000000")
			wantReason(t, err, "totp_wrong")
		}
		h.clock.Advance(time.Minute)
		h.besiegeCode()
		if got := h.both(before, h.codeAt(0)); got != "too_many_attempts" {
			t.Error("a stranger:", got)
		}
		if got := h.both(home, h.codeAt(0)); got != "" {
			t.Error("the owner waits:", got)
		}
	})
}

// besiegeCode has somebody with the password use up the tries at the code.
func (h *house) besiegeCode() {
	h.t.Helper()
	for i := range 40 {
		if h.both(network(2000+i), "000000") == "too_many_attempts" {
			return
		}
	}
	h.t.Fatal("strangers have no limit")
}

// both signs in with password and code.
func (h *house) both(by tokens.Client, code string) string {
	h.t.Helper()
	half, err := h.SignIn(h.ctx(), Input{Login: "mara", Password: right, Web: true, Client: by})
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = h.Continue(h.ctx(), Step{Attempt: half.Attempt.Reveal(), Method: "totp", Secret: code, Web: true, Client: by})
	return apperr.Reason(err)
}

func TestAReproofInAKnownBrowserDoesNotWaitForStrangers(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		home := at(1)
		res, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Web: true, Client: home})
		if err != nil {
			t.Fatal(err)
		}
		h.besiege("ada")
		prove := func(by tokens.Client, secret string) string {
			_, _, err := h.Reauth(h.ctx(), Reproof{User: u.ID, Session: res.Session.ID, Secret: secret, Client: by})
			return apperr.Reason(err)
		}
		if got := prove(network(1), right); got != "too_many_attempts" {
			t.Error("a stolen session is a way around the count:", got)
		}
		for range defaultFree - 1 {
			if got := prove(home, wrong); got != "invalid_credentials" {
				t.Fatal(got)
			}
		}
		if got := h.by(home, "ada", wrong); got != "invalid_credentials" {
			t.Fatal(got)
		}
		if got := prove(home, right); got != "too_many_attempts" {
			t.Error("sign-ins and proofs of one browser have two counts:", got)
		}
	})
}

// A stranger's two runs hold exactly the slots there are, also when all tries of
// one network come at once: the one that finds its network shut gives back what
// it took from the account.
func TestTriesOfOneNetworkAtOnceShareItsSlots(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for range defaultFree + 2 { // the network waits 16 s by now, the account 4 s
			h.try("ada", wrong)
			h.clock.Advance(5 * time.Second)
		}
		h.clock.Advance(16 * time.Second)
		m := h.counting()
		before := h.tries()
		race(func(int) error {
			_, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: wrong, Client: visitor})
			return err
		})
		if m.asked != 1 || h.tries() != before+2 {
			t.Errorf("%d secrets were looked at, %d tries counted", m.asked, h.tries()-before)
		}
	})
}

func TestAQueueThatIsFullCountsNoTryOfAStrangerAndNoneOfTheOwner(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		home := at(1)
		h.by(home, "ada", right)
		m := h.counting()
		m.fail = apperr.New(apperr.Unavailable, "busy")
		before := h.tries()
		for range 2 * defaultFree {
			if got := h.by(home, "ada", wrong); got != "busy" {
				t.Fatal(got)
			}
			if got := h.try("ada", wrong); got != "busy" {
				t.Fatal(got)
			}
		}
		if got := h.tries(); got != before {
			t.Errorf("%d tries are counted", got-before)
		}
	})
}
