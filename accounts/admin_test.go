package accounts

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/ratelimit"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// subEntries is how many endings of a whole user the log holds.
func (h *house) subEntries() int64 {
	return h.count("SELECT COUNT(*) FROM revocation_outbox WHERE kind = 'sub'")
}

func (h *house) create(in NewUser) *models.User {
	h.t.Helper()
	u, err := h.CreateUser(h.ctx(), in, visitor)
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

func TestTheFirstOwnerIsMadeOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		if needed, err := h.SetupNeeded(h.ctx()); !needed || err != nil {
			t.Fatal(needed, err)
		}
		var links [2]string
		for i := range links {
			token, err := h.NewSetupLink(h.ctx())
			if err != nil {
				t.Fatal(err)
			}
			links[i] = token.Reveal()
		}
		if err := h.PeekSetup(h.ctx(), links[0]); err != nil {
			t.Fatal(err)
		}
		answers := race(func(i int) error {
			_, err := h.Setup(h.ctx(), SetupInput{
				Token: links[i%2], Email: address(i), Password: goodPassword,
			}, visitor)
			return err
		})
		if answers[""] != 1 || answers[""]+answers["setup_done"]+answers["link_ended"] != rivals {
			t.Errorf("answers %v", answers)
		}
		if n := h.count("SELECT COUNT(*) FROM users WHERE roles = 'owner' AND email_verified_at IS NOT NULL"); n != 1 {
			t.Errorf("%d owners", n)
		}
		if needed, err := h.SetupNeeded(h.ctx()); needed || err != nil {
			t.Error("set-up is still open", err)
		}
		for _, l := range links {
			if h.PeekSetup(h.ctx(), l) == nil {
				t.Error("a set-up link still works")
			}
		}
		if h.recorded(audit.SetupDone) != 1 {
			t.Error("not recorded once")
		}
	})
}

func TestASetUpWithMistakesLeavesTheLink(t *testing.T) {
	h := newHouse(t, sqlite(t))
	token, _ := h.NewSetupLink(h.ctx())
	_, err := h.Setup(h.ctx(), SetupInput{Token: token.Reveal(), Email: "x"}, visitor)
	wantField(t, err, "email", "not_an_address")
	wantField(t, err, "password", "required")
	_, err = h.Setup(h.ctx(), SetupInput{Token: "gh_ot_nonsense", Email: "a@example.com", Password: goodPassword}, visitor)
	wantReason(t, err, "link_ended")
	if _, err := h.Setup(h.ctx(), SetupInput{Token: token.Reveal(), Email: "a@example.com", Password: goodPassword}, visitor); err != nil {
		t.Error(err)
	}
}

func TestAnOwnerMadeElsewhereClosesTheSetUp(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		token, _ := h.NewSetupLink(h.ctx())
		h.create(NewUser{Email: "boss@example.com", Roles: []string{"owner"}, Verified: true})
		_, err := h.Setup(h.ctx(), SetupInput{Token: token.Reveal(), Email: "a@example.com", Password: goodPassword}, visitor)
		wantReason(t, err, "setup_done")
	})
}

func TestDisablingEndsEverythingAtOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.create(NewUser{Email: "ada@example.com", Verified: true})
		s := h.session(u)
		stale, _ := h.Get(h.ctx(), u.ID)
		for range 2 { // twice is no error and no second ending
			if err := h.SetDisabled(h.ctx(), u.ID, true, visitor); err != nil {
				t.Fatal(err)
			}
		}
		if h.alive(s) || h.subEntries() != 1 || h.recorded(audit.UserDisabled) != 1 {
			t.Error("alive", h.alive(s), "entries", h.subEntries())
		}
		err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			if ok, err := h.RecordSignIn(tx, stale, h.clock.Now(), false); ok || err != nil {
				t.Error("a sign-in that was on its way came through", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		got, _ := h.Get(h.ctx(), u.ID)
		if Admit(h.ctx(), SubjectOf(got)).OK || got.TokenEpoch != u.TokenEpoch+1 || got.SessionEpoch != u.SessionEpoch+1 {
			t.Errorf("row %+v", got)
		}
		for range 2 {
			if err := h.SetDisabled(h.ctx(), u.ID, false, visitor); err != nil {
				t.Fatal(err)
			}
		}
		got, _ = h.Get(h.ctx(), u.ID)
		if !Admit(h.ctx(), SubjectOf(got)).OK || h.alive(s) {
			t.Error("enabled again, but", got.DisabledAt, h.alive(s))
		}
	})
}

func TestRolesEndAccessTokensAndKeepSessions(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.create(NewUser{Email: "ada@example.com", Verified: true})
		s := h.session(u)
		for range 2 {
			if err := h.SetRoles(h.ctx(), u.ID, []string{"editor", "admin", "editor"}, visitor); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := h.Get(h.ctx(), u.ID)
		if got.Roles != "admin editor" || got.TokenEpoch != u.TokenEpoch+1 || h.subEntries() != 1 || !h.alive(s) {
			t.Errorf("roles %q, epoch %d, entries %d, alive %v", got.Roles, got.TokenEpoch, h.subEntries(), h.alive(s))
		}
		for _, bad := range [][]string{{"two words"}, {"Owner"}, {""}, {"x\x00"}, strings.Fields("a b c d e f g h i j k l m n o p")} {
			wantReason(t, h.SetRoles(h.ctx(), u.ID, bad, visitor), "validation_failed")
		}
		wantReason(t, h.SetRoles(h.ctx(), models.NewID(), nil, visitor), "not_found")
		wantReason(t, h.SetDisabled(h.ctx(), models.NewID(), true, visitor), "not_found")
		wantReason(t, h.SetDisabled(h.ctx(), models.NewID(), false, visitor), "not_found")
	})
}

// Otherwise MFA=admins would be asked for at the next sign-in alone, which may
// be a month away.
func TestWhoBecomesAnAdministratorSignsInAgainWhereThatTakesTwoFactors(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.create(NewUser{Email: "ada@example.com", Verified: true})
		s := h.session(u)
		set := func(roles ...string) {
			if err := h.SetRoles(h.ctx(), u.ID, roles, visitor); err != nil {
				t.Fatal(err)
			}
		}
		if set("editor"); !h.alive(s) {
			t.Error("an ordinary role ends sessions")
		}
		if set("editor", "admin"); h.alive(s) {
			t.Error("a session of before has the role of an administrator")
		}
		again := h.session(u)
		if set("admin"); !h.alive(again) {
			t.Error("who was one already is signed out")
		}
		if n := h.recorded(audit.UserRoles); n != 3 {
			t.Errorf("%d lines in the record", n)
		}
	}, func(d *Deps) { d.Config.AdminsNeedFactor = true })
}

func TestTheLastOwnerStays(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		member := h.create(NewUser{Email: "m@example.com"})
		if err := h.SetDisabled(h.ctx(), member.ID, true, visitor); err != nil {
			t.Error("without any owner a member can't be disabled:", err)
		}
		owner := h.create(NewUser{Email: "a@example.com", Roles: []string{"admin", "owner"}})
		asleep := h.create(NewUser{Email: "b@example.com", Roles: []string{"owner"}})
		h.create(NewUser{Email: "c@example.com", Roles: []string{"coowner", "owner-ish"}})
		if err := h.SetDisabled(h.ctx(), asleep.ID, true, visitor); err != nil {
			t.Fatal(err)
		}
		wantReason(t, h.SetDisabled(h.ctx(), owner.ID, true, visitor), "last_owner")
		wantReason(t, h.SetRoles(h.ctx(), owner.ID, []string{"admin"}, visitor), "last_owner")
		got, _ := h.Get(h.ctx(), owner.ID)
		if got.Roles != "admin owner" || !got.DisabledAt.IsZero() || got.TokenEpoch != owner.TokenEpoch {
			t.Errorf("a refused change left traces: %+v", got)
		}
		if err := h.SetRoles(h.ctx(), owner.ID, []string{"owner"}, visitor); err != nil {
			t.Error("the last owner can't lose another role:", err)
		}
	})
}

func TestOwnersCannotRemoveEachOtherAtTheSameMoment(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var owners [rivals]*models.User
		for i := range owners {
			owners[i] = h.create(NewUser{Email: address(i), Roles: []string{"owner"}})
		}
		answers := race(func(i int) error {
			if i%2 == 0 {
				return h.SetDisabled(h.ctx(), owners[i].ID, true, visitor)
			}
			return h.SetRoles(h.ctx(), owners[i].ID, nil, visitor)
		})
		left := h.count("SELECT COUNT(*) FROM users WHERE disabled_at IS NULL AND roles = 'owner'")
		if left < 1 || answers["last_owner"] > int(left) {
			t.Errorf("%d owners left, answers %v", left, answers)
		}
	})
}

func TestAccountsAreListedByIdAndFoundByTheirNames(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for i, name := range []string{"ada", "adam", "bob", "eve_1", "eve%"} {
			h.create(NewUser{Email: address(i), Username: name})
		}
		var seen []models.ID
		for page := (Page{Limit: 2}); ; page.After = seen[len(seen)-1] {
			users, err := h.List(h.ctx(), page)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range users {
				seen = append(seen, u.ID)
			}
			if len(users) < 2 {
				break
			}
		}
		if len(seen) != 5 {
			t.Errorf("%d accounts on all pages", len(seen))
		}
		for i := 1; i < len(seen); i++ {
			if bytes.Compare(seen[i-1][:], seen[i][:]) >= 0 {
				t.Error("not in order")
			}
		}
		for search, want := range map[string]int{"AD": 2, "ada": 2, "bob": 1, "eve%": 1, "%": 0, "z": 0, "Person2@": 1, "person": 5} {
			if users, err := h.List(h.ctx(), Page{Search: search}); err != nil || len(users) != want {
				t.Errorf("%q finds %d, want %d (%v)", search, len(users), want, err)
			}
		}
	})
}

func TestACreatedUserIsCheckedLikeEveryOther(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.create(NewUser{Email: "ada@example.com", Username: "ada"})
		if !h.NeedsVerification(u) || u.PasswordHash != "" {
			t.Errorf("%+v", u)
		}
		h.create(NewUser{Email: "b@example.com"}) // two accounts without a username are no duplicates
		h.create(NewUser{Email: "c@example.com"})
		_, err := h.CreateUser(h.ctx(), NewUser{Email: "ADA@example.com"}, visitor)
		wantReason(t, err, "email_taken")
		_, err = h.CreateUser(h.ctx(), NewUser{Email: "d@example.com", Password: "short", Roles: []string{"a b"}}, visitor)
		wantField(t, err, "password", "too_short")
		wantField(t, err, "roles", "unusable")
	})
}

func TestAChangeOfPasswordNeedsAFreshProofAndEndsTheOtherSessions(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		here, elsewhere := h.session(u), h.session(u)
		proof := tokens.Proof{User: u.ID, Session: here.ID, At: h.clock.Now(), AAL: "aal1"}
		next := "another fine horse battery"
		for _, p := range []tokens.Proof{
			{}, {User: u.ID, Session: here.ID}, {User: u.ID, Session: here.ID, At: h.clock.Now().Add(-tokens.ProofAge - time.Second)},
			{User: u.ID, Session: elsewhere.ID, At: h.clock.Now()},
		} {
			wantReason(t, h.ChangePassword(h.ctx(), p, next, here.ID, visitor), "step_up_required")
		}
		wantField(t, h.ChangePassword(h.ctx(), proof, "short", here.ID, visitor), "new_password", "too_short")
		wantField(t, h.ChangePassword(h.ctx(), proof, "", here.ID, visitor), "new_password", "required")
		if !h.alive(elsewhere) {
			t.Fatal("a refused change ended a session")
		}
		if err := h.ChangePassword(h.ctx(), proof, next, here.ID, visitor); err != nil {
			t.Fatal(err)
		}
		if !h.alive(here) || h.alive(elsewhere) || h.subEntries() != 1 || h.recorded(audit.PasswordChanged) != 1 {
			t.Errorf("here %v, elsewhere %v, entries %d", h.alive(here), h.alive(elsewhere), h.subEntries())
		}
		if m := h.lastMail("ada@example.com"); m.Purpose != mail.Notice {
			t.Error("the owner was told by", m.Purpose)
		}
		got, _ := h.Get(h.ctx(), u.ID)
		if res, err := h.Passwords.Verify(h.ctx(), next, got.PasswordHash); !res.OK || err != nil {
			t.Error("the new password is not stored", err)
		}
	})
}

func TestAResetLinkWorksOnceAndEndsEverySession(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		s := h.session(u)
		first := h.resetToken(u)
		second := h.resetToken(u)
		if got, err := h.PeekReset(h.ctx(), first); err != nil || got.ID != u.ID {
			t.Fatal(got, err)
		}
		wantField(t, h.reset(first, "short"), "new_password", "too_short")
		answers := race(func(int) error { return h.reset(first, "another fine horse battery") })
		if answers[""] != 1 || answers[""]+answers["link_ended"]+answers["changed_meanwhile"] != rivals {
			t.Errorf("answers %v", answers)
		}
		wantReason(t, h.reset(second, "a third horse battery"), "link_ended")
		if h.alive(s) || h.lastMail("ada@example.com").Purpose != mail.Notice || h.recorded(audit.PasswordReset) != 1 {
			t.Error("alive", h.alive(s), h.lastMail("ada@example.com").Purpose)
		}
		wantReason(t, h.reset("gh_ot_nonsense", "x"), "link_ended")
	})
}

func (h *house) resetToken(u *models.User) string {
	h.t.Helper()
	link, err := h.ResetLink(h.ctx(), u.ID, visitor)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.linkToken(mail.InboxMessage{Links: []string{link.Reveal()}})
}

func TestADisabledAccountHasNoWayToReset(t *testing.T) {
	h := newHouse(t, sqlite(t))
	u := h.person("ada@example.com", "ada")
	token := h.resetToken(u)
	if err := h.SetDisabled(h.ctx(), u.ID, true, visitor); err != nil {
		t.Fatal(err)
	}
	_, err := h.ResetLink(h.ctx(), u.ID, visitor)
	wantReason(t, err, "account_disabled")
	_, err = h.PeekReset(h.ctx(), token)
	wantReason(t, err, "link_ended")
}

func TestAProfileThatIsChangedInALoopHasAnEnd(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, other := h.person("ada@example.com", "ada"), h.person("bob@example.com", "bob")
		name := "Ada"
		change := func(u *models.User) error {
			h.clock.Advance(time.Millisecond) // MySQL counts only rows that changed
			_, err := h.UpdateProfile(h.ctx(), u.ID, Profile{Name: &name}, visitor)
			return err
		}
		for range rules[ratelimit.Profile].N {
			if err := change(u); err != nil {
				t.Fatal(err)
			}
		}
		wantReason(t, change(u), "too_many_attempts")
		if n := h.recorded(audit.ProfileChanged); n != int64(rules[ratelimit.Profile].N) {
			t.Errorf("%d lines in the record", n)
		}
		if err := change(other); err != nil {
			t.Error(err)
		}
		h.clock.Advance(time.Hour)
		if err := change(u); err != nil {
			t.Error(err)
		}
	})
}

func TestAProfileHasTwoFieldsAndNoOther(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		h.person("bob@example.com", "bob")
		text := func(s string) *string { return &s }
		got, err := h.UpdateProfile(h.ctx(), u.ID, Profile{Name: text(" Ada "), Username: text("Countess")}, visitor)
		if err != nil || got.Name != "Ada" || *got.Username != "Countess" {
			t.Fatal(got, err)
		}
		if got, err = h.UpdateProfile(h.ctx(), u.ID, Profile{}, visitor); err != nil || got.Name != "Ada" {
			t.Error("an empty change changed something", got, err)
		}
		_, err = h.UpdateProfile(h.ctx(), u.ID, Profile{Username: text("BOB")}, visitor)
		wantReason(t, err, "username_taken")
		_, err = h.UpdateProfile(h.ctx(), u.ID, Profile{Username: text("a@b"), Name: text("x\x00")}, visitor)
		wantField(t, err, "username", "at_sign")
		wantField(t, err, "name", "unusable")
		if got, err = h.UpdateProfile(h.ctx(), u.ID, Profile{Username: text("")}, visitor); err != nil || got.Username != nil {
			t.Error("a username can't be given up", err)
		}
		if other, _ := h.ByLogin(h.ctx(), "countess"); other != nil {
			t.Error("the old username still finds the account")
		}
		_, err = h.UpdateProfile(h.ctx(), models.NewID(), Profile{Name: text("x")}, visitor)
		wantReason(t, err, "not_found")
	})
}

func TestARehashNeverBringsAnOldPasswordBack(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		if ok, err := h.Rehash(h.ctx(), u.ID, "another hash", "new"); ok || err != nil {
			t.Error(ok, err)
		}
		if ok, err := h.Rehash(h.ctx(), u.ID, u.PasswordHash, "new"); !ok || err != nil {
			t.Error(ok, err)
		}
	})
}

func TestTheNoticeOfATheftGoesToTheStoredAddress(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			if err := h.Alarm(tx, models.NewID(), mail.KindRefreshReused); err != nil {
				return err // nobody there is no error
			}
			return h.Alarm(tx, u.ID, mail.KindRefreshReused)
		})
		if err != nil || h.lastMail("ada@example.com").Purpose != mail.Notice {
			t.Error(err)
		}
	})
}
