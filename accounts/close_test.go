package accounts

import (
	"strings"
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

func (h *house) close(u *models.User) time.Time {
	h.t.Helper()
	at, err := h.CloseAccount(h.ctx(), h.proof(u), visitor)
	if err != nil {
		h.t.Fatal(err)
	}
	h.clock.Advance(time.Second) // mails of one moment have no order
	return at
}

func (h *house) personalOf(u *models.User) string {
	h.t.Helper()
	made, err := h.Tokens.Personal.Make(h.ctx(), u.ID, tokens.NewPersonal{Name: "backup", Scopes: []string{tokens.ScopeProfileRead}}, visitor)
	if err != nil {
		h.t.Fatal(err)
	}
	return made.Token.Reveal()
}

func (h *house) personalWorks(token string) bool {
	_, err := h.Tokens.Personal.Introspect(h.ctx(), token)
	return err == nil
}

func TestAClosedAccountEndsEverythingAtOnceAndIsErasedAfterFourteenDays(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		in, personal := h.session(u), h.personalOf(u)
		_, err := h.CloseAccount(h.ctx(), tokens.Proof{User: u.ID, At: h.clock.Now().Add(-6 * time.Minute)}, visitor)
		wantReason(t, err, "step_up_required")
		at := h.close(u)
		if want := h.clock.Now().Add(ClosingTTL - time.Second); !at.Equal(want) {
			t.Errorf("erased at %s, want %s", at, want)
		}
		if h.alive(in) || h.personalWorks(personal) {
			t.Error("something of a closed account still works")
		}
		if m := h.lastMail("ada@example.com"); m.Purpose != mail.Notice || !strings.Contains(m.Text, "14 days") || m.Links[0] != "http://localhost:5000/login" {
			t.Errorf("the owner was told: %+v", m)
		}
		h.clock.Advance(ClosingTTL - time.Minute)
		if err := h.EraseDue(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM users") != 1 {
			t.Fatal("erased too early", err)
		}
		h.clock.Advance(time.Minute)
		if err := h.EraseDue(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM users") != 0 {
			t.Fatal("not erased", err)
		}
	})
}

func TestASignInTakesAClosingBackOnceAndRevivesNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		in, personal := h.session(u), h.personalOf(u)
		h.close(u)
		again := h.session(u)
		if !h.alive(again) || h.alive(in) || h.personalWorks(personal) {
			t.Error("the new session works, and nothing of before does")
		}
		got, _ := h.Get(h.ctx(), u.ID)
		if !got.EraseAt.IsZero() || h.recorded(audit.AccountKept) != 1 {
			t.Errorf("still to be erased at %v", got.EraseAt)
		}
		if m := h.lastMail("ada@example.com"); m.Purpose != mail.Notice || !strings.Contains(m.Subject, "stays") {
			t.Errorf("the owner was told: %+v", m)
		}
		h.clock.Advance(ClosingTTL + time.Hour)
		if err := h.EraseDue(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM users") != 1 {
			t.Error("a kept account was erased", err)
		}
	})
}

// Whoever reads the account before it is closed must not sign in after it.
func TestASignInFromBeforeTheClosingDoesNotSlipThrough(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		before, _ := h.Get(h.ctx(), u.ID)
		h.close(u)
		err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			if ok, err := h.RecordSignIn(tx, before, h.clock.Now(), false); ok || err != nil {
				t.Error(ok, err)
			}
			return nil
		})
		if got, _ := h.Get(h.ctx(), u.ID); err != nil || got.EraseAt.IsZero() {
			t.Error("the closing was taken back", err)
		}
	})
}

func TestAtTheLastMomentAnAccountIsEitherKeptOrErased(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		h.close(u)
		h.clock.Advance(ClosingTTL)
		read, _ := h.Get(h.ctx(), u.ID)
		kept := make([]bool, rivals)
		answers := race(func(i int) error {
			if i%2 == 0 {
				return h.EraseDue(h.ctx())
			}
			return h.db.Write(h.ctx(), func(tx *gorm.DB) (err error) {
				kept[i], err = h.RecordSignIn(tx, read, h.clock.Now(), false)
				return err
			})
		})
		anyKept := false
		for _, k := range kept {
			anyKept = anyKept || k
		}
		users, erased := h.count("SELECT COUNT(*) FROM users"), h.recorded(audit.PersonErased)
		if answers[""] != rivals || users+erased != 1 || anyKept != (users == 1) {
			t.Errorf("answers %v, %d users, %d erasures, kept %v", answers, users, erased, anyKept)
		}
		if want := int64(one01(anyKept)); h.recorded(audit.AccountKept) != want {
			t.Errorf("kept %d times, want %d", h.recorded(audit.AccountKept), want)
		}
	})
}

func TestTheLastOwnerCannotLeave(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		a, b := h.person("ada@example.com", "ada"), h.person("bob@example.com", "bob")
		for _, u := range []*models.User{a, b} {
			if err := h.SetRoles(h.ctx(), u.ID, []string{RoleOwner}, visitor); err != nil {
				t.Fatal(err)
			}
		}
		h.close(a)
		_, err := h.CloseAccount(h.ctx(), h.proof(b), visitor)
		wantReason(t, err, "last_owner")
		wantReason(t, h.SetDisabled(h.ctx(), b.ID, true, visitor), "last_owner")
		wantReason(t, h.EraseUser(h.ctx(), b.ID, visitor), "last_owner")
		if got, _ := h.Get(h.ctx(), b.ID); !got.EraseAt.IsZero() {
			t.Error("a refused closing left its mark")
		}
		if err := h.EraseUser(h.ctx(), a.ID, visitor); err != nil {
			t.Error("the one who leaves:", err)
		}
	})
}

func TestOfOwnersWhoCloseAtOnceOneStays(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, noMailCap)
		var users [8]*models.User
		for i := range users {
			users[i] = h.person(address(i), "")
			if err := h.SetRoles(h.ctx(), users[i].ID, []string{RoleOwner}, visitor); err != nil {
				t.Fatal(err)
			}
		}
		answers := race(func(i int) error {
			_, err := h.CloseUser(h.ctx(), users[i%len(users)].ID, visitor)
			return err
		})
		if open := h.count("SELECT COUNT(*) FROM users WHERE erase_at IS NULL"); open != 1 {
			t.Errorf("%d owners stay, answers %v", open, answers)
		}
	})
}

// everywhere is every table and column of the database that could hold text.
func (h *house) everywhere(needle string) (found []string) {
	h.t.Helper()
	tables := strings.Fields("users pending_signups reserved_names email_changes known_devices invitations sessions " +
		"refresh_families one_time_tokens personal_tokens audit_events mail_outbox external_ids totp_factors passkeys recovery_codes")
	for _, table := range tables {
		rows, err := h.db.Read(h.ctx()).Raw("SELECT * FROM " + table).Rows()
		if err != nil {
			h.t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new([]byte)
			}
			if err := rows.Scan(values...); err != nil {
				h.t.Fatal(err)
			}
			for i, v := range values {
				if strings.Contains(strings.ToLower(string(*v.(*[]byte))), needle) {
					found = append(found, table+"."+columns[i])
				}
			}
		}
		rows.Close()
	}
	return found
}

func TestAnErasedPersonIsInNoTableAndTheRecordStaysWhole(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, other := h.person("ada@lovelace.example", "adalove"), h.person("bob@example.com", "bob")
		name := "Ada Lovelace"
		if _, err := h.UpdateProfile(h.ctx(), u.ID, Profile{Name: &name}, tokens.Client{IP: "203.0.113.77", UserAgent: "lovelace"}); err != nil {
			t.Fatal(err)
		}
		h.session(u)
		h.personalOf(u)
		h.forgot("adalove")
		h.moved(u, "ada2@lovelace.example")
		h.changeEmail(u, "ada3@lovelace.example")
		h.personalOf(other)
		if _, err := h.Audit.Seal(h.ctx()); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(time.Second)
		if err := h.EraseUser(h.ctx(), u.ID, visitor); err != nil {
			t.Fatal(err)
		}
		if m := h.lastMail("ada2@lovelace.example"); !strings.Contains(m.Subject, "erased") {
			t.Errorf("the last mail: %+v", m)
		}
		// The last mail waits for its server, and the name for its month. A change
		// that was never confirmed may be about a stranger's mailbox.
		for _, place := range h.everywhere("lovelace") {
			if place != "mail_outbox.recipient" {
				t.Errorf("%s still knows the person", place)
			}
		}
		if places := h.everywhere("adalove"); len(places) != 1 || places[0] != "reserved_names.name_key" {
			t.Errorf("the name stands in %v", places)
		}
		if h.count("SELECT COUNT(*) FROM mail_outbox WHERE recipient = ?", "ada2@lovelace.example") != 1 {
			t.Error("more mails than the last")
		}
		if h.count("SELECT COUNT(*) FROM audit_events WHERE subject_id = ?", u.ID) == 0 || h.count("SELECT COUNT(*) FROM personal_tokens") != 1 {
			t.Error("too much was erased")
		}
		if _, err := h.Audit.Seal(h.ctx()); err != nil {
			t.Fatal(err)
		}
		if report, err := h.Audit.Verify(h.ctx()); err != nil || !report.OK() || report.Erased == 0 {
			t.Errorf("the chain: %+v, %v", report, err)
		}
	})
}

func TestTheUsernameOfAnErasedPersonWaitsAMonthAndTheAddressIsFree(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		if err := h.EraseUser(h.ctx(), u.ID, visitor); err != nil {
			t.Fatal(err)
		}
		again := h.person("ada@example.com", "")
		ada := "ada"
		_, err := h.UpdateProfile(h.ctx(), again.ID, Profile{Username: &ada}, visitor)
		wantReason(t, err, "username_taken")
		h.clock.Advance(usernameKept + time.Minute)
		if _, err = h.UpdateProfile(h.ctx(), again.ID, Profile{Username: &ada}, visitor); err != nil {
			t.Error(err)
		}
		wantReason(t, h.EraseUser(h.ctx(), u.ID, visitor), "not_found")
	})
}

func TestAnOperatorKeepsAnAccountOpen(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		first, err := h.CloseUser(h.ctx(), u.ID, visitor)
		h.clock.Advance(time.Hour)
		second, err2 := h.CloseUser(h.ctx(), u.ID, visitor)
		if err != nil || err2 != nil || !first.Equal(second) {
			t.Error("closing twice moves the end:", first, second, err, err2)
		}
		if err := h.KeepUser(h.ctx(), u.ID, visitor); err != nil || h.recorded(audit.AccountKept) != 1 {
			t.Error(err)
		}
		if !h.alive(h.session(u)) {
			t.Error("no session")
		}
		_, err = h.CloseUser(h.ctx(), models.NewID(), visitor)
		wantReason(t, err, "not_found")
		if apperr.Reason(h.KeepUser(h.ctx(), models.NewID(), visitor)) != "not_found" {
			t.Error("nobody was kept")
		}
	})
}
