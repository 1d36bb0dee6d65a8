package accounts

import (
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

func (h *house) proof(u *models.User) tokens.Proof {
	return tokens.Proof{User: u.ID, At: h.clock.Now()}
}

// changeEmail begins a change and answers the attempt and the newest mail there.
func (h *house) changeEmail(u *models.User, email string) (string, mail.InboxMessage) {
	h.t.Helper()
	h.clock.Advance(time.Second)
	attempt, err := h.ChangeEmail(h.ctx(), h.proof(u), email, visitor)
	if err != nil {
		h.t.Fatal(err)
	}
	return attempt.Reveal(), h.lastMail(email)
}

// moved is a change that was confirmed, and the mail to the old address.
func (h *house) moved(u *models.User, email string) mail.InboxMessage {
	h.t.Helper()
	was, _ := h.Get(h.ctx(), u.ID)
	attempt, m := h.changeEmail(u, email)
	if err := h.ConfirmEmail(h.ctx(), u.ID, EmailProof{Attempt: attempt, Code: m.Code, Client: visitor}); err != nil {
		h.t.Fatal(err)
	}
	return h.lastMail(was.Email)
}

func (h *house) emailOf(u *models.User) string {
	h.t.Helper()
	got, err := h.Get(h.ctx(), u.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return got.Email
}

func TestANewAddressCountsOnceItIsProved(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		in := h.session(u)
		_, err := h.ChangeEmail(h.ctx(), tokens.Proof{User: u.ID, At: h.clock.Now().Add(-6 * time.Minute)}, "new@example.com", visitor)
		wantReason(t, err, "step_up_required")
		_, err = h.ChangeEmail(h.ctx(), h.proof(u), "ADA@example.com", visitor)
		wantField(t, err, "email", "same_address")
		reset := h.forgot("ada")
		old := h.lastMail("ada@example.com")
		attempt, m := h.changeEmail(u, "New@example.com")
		if m.Purpose != mail.ChangeEmail || len(m.Code) != 6 || h.emailOf(u) != "ada@example.com" {
			t.Fatalf("mail %+v, address %s", m, h.emailOf(u))
		}
		if got, err := h.PeekEmail(h.ctx(), u.ID, h.linkToken(m)); err != nil || got != "New@example.com" {
			t.Error(got, err)
		}
		wantReason(t, h.ConfirmEmail(h.ctx(), u.ID, EmailProof{Attempt: attempt, Code: wrongOf(m.Code)}), "code_wrong")
		if err := h.ConfirmEmail(h.ctx(), u.ID, EmailProof{Attempt: attempt, Code: m.Code, Client: visitor}); err != nil {
			t.Fatal(err)
		}
		got, _ := h.Get(h.ctx(), u.ID)
		if got.Email != "New@example.com" || string(got.EmailKey) != "new@example.com" || got.EmailVerifiedAt.IsZero() {
			t.Errorf("stored %+v", got)
		}
		if !h.alive(in) {
			t.Error("the owner was signed out")
		}
		wantReason(t, h.ConfirmEmail(h.ctx(), u.ID, EmailProof{Token: h.linkToken(m)}), "link_ended")
		if n := h.lastMail("ada@example.com"); n.Purpose != mail.Notice || len(n.Links) != 1 {
			t.Errorf("the old address got %+v", n)
		}
		wantReason(t, h.byCode(reset, old.Code, newPassphrase), "link_ended") // what waits in the old mailbox
		if h.recorded(audit.EmailChanged) != 2 || h.recorded(audit.EmailRequested) != 1 {
			t.Error("the record misses a step")
		}
	})
}

func TestAnAddressThatSomebodyHasIsAskedForLikeAFreeOne(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		h.person("bob@example.com", "bob")
		rows := map[string][4]int64{}
		for _, email := range []string{"BOB@example.com", "free@example.com"} {
			before := h.footprint()
			attempt, _ := h.changeEmail(u, email)
			after := h.footprint()
			for i := range after {
				after[i] -= before[i]
			}
			rows[email] = after
			for range 5 {
				wantReason(t, h.ConfirmEmail(h.ctx(), u.ID, EmailProof{Attempt: attempt, Code: "000000"}), "code_wrong")
			}
			wantReason(t, h.ConfirmEmail(h.ctx(), u.ID, EmailProof{Attempt: attempt, Code: "000000"}), "link_ended")
		}
		if rows["BOB@example.com"] != rows["free@example.com"] {
			t.Errorf("rows written: %v", rows)
		}
		if m := h.lastMail("bob@example.com"); m.Purpose != mail.AlreadyRegistered || m.Code != "" {
			t.Errorf("the owner got %+v", m)
		}
	})
}

func TestTheChangeOfSomebodyElseLooksLikeALinkThatEnded(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		thief, victim := h.person("thief@example.com", ""), h.person("ada@example.com", "")
		attempt, m := h.changeEmail(thief, "harbour@example.com")
		token := h.linkToken(m)
		_, err := h.PeekEmail(h.ctx(), victim.ID, token)
		wantReason(t, err, "link_ended")
		wantReason(t, h.ConfirmEmail(h.ctx(), victim.ID, EmailProof{Token: token}), "link_ended")
		wantReason(t, h.ConfirmEmail(h.ctx(), victim.ID, EmailProof{Attempt: attempt, Code: m.Code}), "link_ended")
		wantReason(t, h.reset(token, newPassphrase), "link_ended") // another kind
		if err := h.ConfirmEmail(h.ctx(), thief.ID, EmailProof{Token: token}); err != nil {
			t.Error("the link was harmed:", err)
		}
	})
}

func TestOfManyAccountsThatWantOneAddressOneGetsIt(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		a, b := newHouse(t, db, noMailCap), newHouse(t, db, noMailCap)
		var users [rivals]*models.User
		var links [rivals]string
		for i := range rivals {
			users[i] = a.person(address(i), "")
			_, m := a.changeEmail(users[i], "one@example.com")
			links[i] = a.linkToken(m)
		}
		answers := race(func(i int) error {
			return []*house{a, b}[i%2].ConfirmEmail(t.Context(), users[i].ID, EmailProof{Token: links[i]})
		})
		if answers[""] != 1 || answers["email_taken"] != rivals-1 {
			t.Errorf("answers %v", answers)
		}
	})
}

func TestTheOldAddressTakesAChangeBackForAWeek(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		first := h.linkToken(h.moved(u, "thief@example.com"))
		second := h.linkToken(h.moved(u, "thief2@example.com"))
		in := h.session(u)
		for range 3 { // scanners open it as often as they like
			if undo, err := h.PeekUndo(h.ctx(), first); err != nil || undo.Email != "ada@example.com" || undo.Login != "ada" {
				t.Fatal(undo, err)
			}
		}
		wantField(t, h.UndoEmail(h.ctx(), first, "short", visitor), "new_password", "too_short")
		h.clock.Advance(7*24*time.Hour - time.Minute)
		if err := h.UndoEmail(h.ctx(), first, newPassphrase, visitor); err != nil {
			t.Fatal(err)
		}
		if h.emailOf(u) != "ada@example.com" || h.alive(in) {
			t.Error("the address is", h.emailOf(u), "and the thief is still in:", h.alive(in))
		}
		// The thief's own mailbox must not take the account again.
		wantReason(t, h.UndoEmail(h.ctx(), second, newPassphrase, visitor), "link_ended")
		wantReason(t, h.UndoEmail(h.ctx(), first, newPassphrase, visitor), "link_ended")
		if h.recorded(audit.EmailUndone) != 1 || h.lastMail("ada@example.com").Purpose != mail.Notice {
			t.Error("no notice or no record")
		}
	})
}

// A personal token outlives a new password, because its owner wants that. Whoever
// takes an address back says that somebody else made it.
func TestWhatAThiefMadeEndsWhenTheAddressIsTakenBack(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, other := h.person("ada@example.com", "ada"), h.person("bob@example.com", "bob")
		token := h.linkToken(h.moved(u, "thief@example.com"))
		left, kept := h.personalOf(u), h.personalOf(other)
		if err := h.UndoEmail(h.ctx(), token, newPassphrase, visitor); err != nil {
			t.Fatal(err)
		}
		if h.personalWorks(left) || !h.personalWorks(kept) {
			t.Errorf("the thief's works: %v, that of another person: %v", h.personalWorks(left), h.personalWorks(kept))
		}
	})
}

func TestALinkThatTakesFactorsAwayDoesNotOutliveItsMailbox(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		mailed := func() (token string) {
			err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
				link, err := h.Tokens.Links.Create(tx, tokens.NewLink{Kind: tokens.ResetFactors, Subject: u.ID, TTL: time.Hour})
				token = link.Token.Reveal()
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		old := mailed()
		undo := h.linkToken(h.moved(u, "thief@example.com"))
		thiefs := mailed()
		if err := h.UndoEmail(h.ctx(), undo, newPassphrase, visitor); err != nil {
			t.Fatal(err)
		}
		for mailbox, token := range map[string]string{"old": old, "thief's": thiefs} {
			if _, err := h.Tokens.Links.Peek(h.ctx(), tokens.ResetFactors, token); !tokens.ErrLink.Is(err) {
				t.Errorf("the link in the %s mailbox works: %v", mailbox, err)
			}
		}
	})
}

func TestAfterAWeekAChangeOfAddressStays(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		token := h.linkToken(h.moved(u, "new@example.com"))
		// Until then nobody else gets the old one, or it could not come back.
		_, err := h.CreateUser(h.ctx(), NewUser{Email: "ADA@example.com"}, visitor)
		wantReason(t, err, "email_taken")
		h.clock.Advance(7*24*time.Hour + time.Second)
		wantReason(t, h.UndoEmail(h.ctx(), token, newPassphrase, visitor), "link_ended")
		if err := h.Trim(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM email_changes") != 0 || h.count("SELECT COUNT(*) FROM reserved_names") != 0 {
			t.Error("what is over stays in the tables", err)
		}
		if _, err := h.CreateUser(h.ctx(), NewUser{Email: "ada@example.com"}, visitor); err != nil {
			t.Error(err)
		}
	})
}

func TestOfManyWhoTakeAChangeBackOneWins(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		a, b := newHouse(t, db), newHouse(t, db)
		u := a.person("ada@example.com", "ada")
		token := a.linkToken(a.moved(u, "thief@example.com"))
		answers := race(func(i int) error {
			return []*house{a, b}[i%2].UndoEmail(t.Context(), token, newPassphrase, visitor)
		})
		if answers[""] != 1 || answers["link_ended"]+answers["changed_meanwhile"] != rivals-1 {
			t.Errorf("answers %v", answers)
		}
	})
}

// An address that was typed wrong by an operator may be a stranger's mailbox.
func TestAnAddressThatWasNeverProvedCannotTakeAChangeBack(t *testing.T) {
	h := newHouse(t, sqlite(t))
	u, err := h.CreateUser(h.ctx(), NewUser{Email: "typo@example.com", Username: "ada"}, visitor)
	if err != nil {
		t.Fatal(err)
	}
	if m := h.moved(u, "ada@example.com"); m.To != "" {
		t.Errorf("a stranger got %+v", m)
	}
}

func TestAUsernameThatWasGivenUpWaitsAMonthForItsOwner(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		bob := h.person("bob@example.com", "bob")
		name := func(u *models.User, to string) error {
			_, err := h.UpdateProfile(h.ctx(), u.ID, Profile{Username: &to}, visitor)
			return err
		}
		if err := name(u, "countess"); err != nil {
			t.Fatal(err)
		}
		wantReason(t, name(bob, "ADA"), "username_taken")
		_, err := h.CreateUser(h.ctx(), NewUser{Email: "c@example.com", Username: "ada"}, visitor)
		wantReason(t, err, "username_taken")
		if got, _ := h.ByLogin(h.ctx(), "ada"); got != nil {
			t.Error("the old name still signs in")
		}
		if err := name(u, "ada"); err != nil { // the owner may come back
			t.Fatal(err)
		}
		wantReason(t, name(bob, "countess"), "username_taken")
		if err := name(u, ""); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(30*24*time.Hour - time.Second)
		wantReason(t, name(bob, "ada"), "username_taken")
		h.clock.Advance(2 * time.Second)
		if err := name(bob, "ada"); err != nil {
			t.Error("a month later:", err)
		}
	})
}

func TestOneAccountKeepsTenNamesFromOthersAtMost(t *testing.T) {
	h := newHouse(t, sqlite(t))
	u := h.person("ada@example.com", "name")
	for i := range 12 {
		to := "name" + string(rune('a'+i))
		_, err := h.UpdateProfile(h.ctx(), u.ID, Profile{Username: &to}, visitor)
		if i < 10 && err != nil || i >= 10 && apperr.From(err).Fields["username"].Reason != "changed_often" {
			t.Errorf("change %d: %v", i+1, err)
		}
	}
	back := "name"
	if _, err := h.UpdateProfile(h.ctx(), u.ID, Profile{Username: &back}, visitor); err != nil {
		t.Error("an old name cannot be taken back:", err)
	}
}

func TestOfManyWhoWantANameThatIsGivenUpNobodyGetsIt(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		a, b := newHouse(t, db), newHouse(t, db)
		owner := a.person("ada@example.com", "ada")
		var users [rivals]*models.User
		for i := range rivals {
			users[i] = a.person(address(i), "")
		}
		wanted, other := "ada", "countess"
		answers := race(func(i int) error {
			h := []*house{a, b}[i%2]
			if i == 0 {
				_, err := h.UpdateProfile(t.Context(), owner.ID, Profile{Username: &other}, visitor)
				return err
			}
			_, err := h.UpdateProfile(t.Context(), users[i].ID, Profile{Username: &wanted}, visitor)
			return err
		})
		if answers[""] != 1 || answers["username_taken"] != rivals-1 {
			t.Errorf("answers %v", answers)
		}
	})
}
