package accounts

import (
	"strings"
	"testing"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testkit"
	"gatehouse/mail"
)

const newPassphrase = "another fine horse battery"

// forgot asks for a reset and answers the attempt.
func (h *house) forgot(login string) string {
	h.t.Helper()
	attempt, err := h.Forgot(h.ctx(), login, visitor)
	if err != nil {
		h.t.Fatalf("forgot %q: %v", login, err)
	}
	return attempt.Reveal()
}

func (h *house) byCode(attempt, code, password string) error {
	return h.ResetPassword(h.ctx(), ResetInput{Attempt: attempt, Code: code, Password: password, Client: visitor})
}

func TestAForgottenPasswordIsResetByTheCodeOrTheLinkOfAMail(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("Ada@Example.com", "ada")
		in := h.session(u)
		attempt := h.forgot("ADA") // the mail goes to the stored address
		m := h.lastMail("Ada@example.com")
		if m.Purpose != mail.ResetPassword || len(m.Code) != 6 || len(m.Links) != 1 {
			t.Fatalf("mail %+v", m)
		}
		wantField(t, h.byCode(attempt, m.Code, "short"), "new_password", "too_short")
		wantField(t, h.byCode(attempt, "", newPassphrase), "code", "required")
		wantReason(t, h.byCode(attempt, wrongOf(m.Code), newPassphrase), "code_wrong")
		wantField(t, h.byCode(attempt, m.Code, "Ada@Example.com"), "new_password", "same_as_name")
		if err := h.byCode(attempt, m.Code, newPassphrase); err != nil {
			t.Fatal(err)
		}
		if h.alive(in) {
			t.Error("who was signed in before still is")
		}
		wantReason(t, h.byCode(attempt, m.Code, newPassphrase), "link_ended")
		wantReason(t, h.reset(h.linkToken(m), newPassphrase), "link_ended")
		if got := h.lastMail("Ada@example.com"); got.Purpose != mail.Notice {
			t.Error("no notice was sent, only", got.Purpose)
		}
		if h.recorded(audit.ResetRequested) != 1 || h.recorded(audit.PasswordReset) != 2 {
			t.Error("the record misses a step")
		}
		h.forgot("ada@example.com")
		if err := h.reset(h.linkToken(h.lastMail("Ada@example.com")), newPassphrase); err != nil {
			t.Error(err)
		}
	})
}

func wrongOf(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// footprint is how many rows of each table there are.
func (h *house) footprint() (n [4]int64) {
	for i, table := range []string{"one_time_tokens", "mail_outbox", "audit_events", "users"} {
		n[i] = h.count("SELECT COUNT(*) FROM " + table)
	}
	return n
}

func TestNobodyIsForgottenLikeSomebody(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		off := h.person("off@example.com", "off")
		if err := h.SetDisabled(h.ctx(), off.ID, true, visitor); err != nil {
			t.Fatal(err)
		}
		bare, err := h.CreateUser(h.ctx(), NewUser{Email: "bare@example.com", Verified: true}, visitor)
		if err != nil {
			t.Fatal(err)
		}
		mails := len(h.inbox())
		for login, sent := range map[string]int{
			"ada": 1, "ada@example.com": 1, "off": 0, "off@example.com": 0, "bare@example.com": 1, "nobody": 0, "nobody@example.com": 0,
		} {
			before := h.footprint()
			attempt := h.forgot(login)
			after := h.footprint()
			if after[0]-before[0] != 1 || after[1]-before[1] != 1 || after[2]-before[2] != 1 {
				t.Errorf("%s: rows went from %v to %v, want one more of each", login, before, after)
			}
			if got := len(h.inbox()) - mails; got != sent {
				t.Errorf("%s: %d mails left, want %d", login, got, sent)
			}
			mails = len(h.inbox())
			for range 5 {
				wantReason(t, h.byCode(attempt, "000000", newPassphrase), "code_wrong")
			}
			wantReason(t, h.byCode(attempt, "000000", newPassphrase), "link_ended")
		}
		// An account without a password gets its first one this way.
		if err := h.reset(h.linkToken(h.lastMail("bare@example.com")), newPassphrase); err != nil {
			t.Error(err)
		}
		if got, _ := h.Get(h.ctx(), bare.ID); got.PasswordHash == "" {
			t.Error("it still has none")
		}
	}, noMailCap)
}

func TestTheCapOfResetMailsTellsNothingAndKeepsTheLinksThatLeft(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		h.clock.Advance(time.Second)
		first := map[string]string{}
		for _, login := range []string{"ada@example.com", "nobody@example.com"} {
			first[login] = h.forgot(login)
		}
		m := h.lastMail("ada@example.com")
		for range 4 {
			h.forgot("ada@example.com")
			h.forgot("nobody@example.com")
		}
		for login := range first {
			wantReason(t, h.byCode(h.forgot(login), "000000", newPassphrase), "link_ended")
		}
		if n := len(h.mailsTo("ada@example.com")); n != 6 { // one to confirm, five to reset
			t.Errorf("%d mails left", n)
		}
		if err := h.byCode(first["ada@example.com"], m.Code, newPassphrase); err != nil {
			t.Error("a stranger used up the owner's reset:", err)
		}
	})
}

func TestCodesOfAllPurposesShareTheHundredGuessesOfADay(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		guessed := 0
		for range 30 {
			attempt := h.forgot("ada")
			for range 6 {
				if apperr.Reason(h.byCode(attempt, "000000", newPassphrase)) == "code_wrong" {
					guessed++
				}
			}
			h.clock.Advance(13 * time.Minute)
		}
		if guessed != 95 { // one code of the twenty confirmed the address
			t.Errorf("%d guesses, want 95", guessed)
		}
		h.forgot("ada")
		m := h.lastMail("ada@example.com")
		if m.Code != "" {
			t.Error("a code beyond the day's number left")
		}
		if err := h.reset(h.linkToken(m), newPassphrase); err != nil {
			t.Error("the link has to work still:", err)
		}
	})
}

func TestOfManyResetsOnTwoNodesOneWins(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		a, b := newHouse(t, db), newHouse(t, db)
		a.person("ada@example.com", "ada")
		attempt := a.forgot("ada")
		m := a.lastMail("ada@example.com")
		token := a.linkToken(m)
		answers := race(func(i int) error {
			h := []*house{a, b}[i%2]
			if i%4 < 2 {
				return h.reset(token, newPassphrase)
			}
			return h.byCode(attempt, m.Code, newPassphrase)
		})
		// Who comes in time for the try of the code, but not for the link, is told the same.
		if answers[""] != 1 || answers["link_ended"]+answers["changed_meanwhile"] != rivals-1 {
			t.Errorf("answers %v", answers)
		}
	})
}

func TestADisabledAccountIsNotResetByALinkThatLeftBefore(t *testing.T) {
	h := newHouse(t, sqlite(t))
	u := h.person("ada@example.com", "ada")
	attempt := h.forgot("ada")
	m := h.lastMail("ada@example.com")
	if err := h.SetDisabled(h.ctx(), u.ID, true, visitor); err != nil {
		t.Fatal(err)
	}
	wantReason(t, h.reset(h.linkToken(m), newPassphrase), "link_ended")
	wantReason(t, h.byCode(attempt, m.Code, newPassphrase), "link_ended")
}

func TestForgottenPasswordsOfOneNetworkAreLimited(t *testing.T) {
	h := newHouse(t, sqlite(t), limited(ratelimit.Forgot, 2, time.Hour))
	h.forgot("ada")
	h.forgot("bob")
	_, err := h.Forgot(h.ctx(), "carl", visitor)
	wantReason(t, err, "too_many_attempts")
}

func TestRowsForNobodyAreTrimmedAfterTheDayThatCounts(t *testing.T) {
	h := newHouse(t, sqlite(t))
	h.forgot("nobody@example.com")
	h.clock.Advance(24 * time.Hour)
	if err := h.Mail.Trim(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM mail_outbox") != 1 {
		t.Fatal("a row was trimmed while it counts", err)
	}
	h.clock.Advance(2 * time.Hour)
	if err := h.Mail.Trim(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM mail_outbox") != 0 {
		t.Error("a row for nobody stays", err)
	}
	if n := h.count("SELECT COUNT(*) FROM mail_outbox WHERE recipient <> ''"); n != 0 {
		t.Error("a stranger's address was kept")
	}
}

func TestForgotRefusesWhatIsNoName(t *testing.T) {
	h := newHouse(t, sqlite(t))
	for _, login := range []string{"", " ", "a b", "ada@", "ada@b", "x\u200by", "a@b.example,c@d.example", strings.Repeat("a", 300)} {
		if _, err := h.Forgot(h.ctx(), login, visitor); apperr.From(err).Fields["username"].Reason == "" {
			t.Errorf("%q: %v", login, err)
		}
	}
}

// With EMAIL_VERIFICATION=optional a stranger may sign up with anybody's address
// and wait until its owner uses the account ("pre-hijacking").
func TestTheFirstResetOfAnUnprovedAddressEndsWhatAStrangerLeft(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.signUp("ada@example.com", "")
		u, err := h.ByLogin(h.ctx(), "ada@example.com")
		if err != nil || u == nil {
			t.Fatal(u, err)
		}
		left := h.personalOf(u)
		h.forgot("ada@example.com")
		if err := h.reset(h.linkToken(h.lastMail("ada@example.com")), newPassphrase); err != nil {
			t.Fatal(err)
		}
		if h.personalWorks(left) {
			t.Error("the stranger's token works")
		}
	}, optional)
}

func TestAResetOfAProvedAddressKeepsPersonalTokens(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		token := h.personalOf(h.person("ada@example.com", "ada"))
		h.forgot("ada@example.com")
		if err := h.reset(h.linkToken(h.lastMail("ada@example.com")), newPassphrase); err != nil {
			t.Fatal(err)
		}
		if !h.personalWorks(token) {
			t.Error("a new password ends scripts")
		}
	})
}
