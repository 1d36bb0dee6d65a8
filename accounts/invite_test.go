package accounts

import (
	"strings"
	"testing"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// chief is a person with roles.
func (h *house) chief(email string, roles ...string) *models.User {
	h.t.Helper()
	u := h.person(email, "")
	if err := h.SetRoles(h.ctx(), u.ID, roles, visitor); err != nil {
		h.t.Fatal(err)
	}
	return u
}

// invited sends an invitation and answers the token of its mail.
func (h *house) invited(by *models.User, email string, roles ...string) string {
	h.t.Helper()
	h.clock.Advance(time.Second)
	if _, err := h.Invite(h.ctx(), h.proof(by), Invite{Email: email, Roles: roles}, visitor); err != nil {
		h.t.Fatal(err)
	}
	m := h.lastMail(email)
	if m.Purpose != mail.Invitation || m.Code != "" || !strings.Contains(m.Text, "7 days") {
		h.t.Fatalf("mail %+v", m)
	}
	return h.linkToken(m)
}

func (h *house) accept(token, username string) (*models.User, error) {
	return h.AcceptInvitation(h.ctx(), Accept{Token: token, Username: username, Name: "Grace", Password: goodPassword, Client: visitor})
}

func inviteOnly(d *Deps) { d.Config.Signup = SignupInvite }

func TestAnInvitationMakesAnAccountWithItsRolesAndAProvedAddress(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		boss := h.chief("boss@example.com", RoleOwner)
		h.Config.Signup = SignupInvite
		token := h.invited(boss, "Grace@example.com", "staff", RoleAdmin)
		for range 3 { // scanners
			if inv, err := h.PeekInvitation(h.ctx(), token); err != nil || inv.Email != "Grace@example.com" {
				t.Fatal(inv, err)
			}
		}
		_, err := h.AcceptInvitation(h.ctx(), Accept{Token: token, Client: visitor})
		wantField(t, err, "password", "required")
		u, err := h.accept(token, "grace")
		if err != nil {
			t.Fatal(err)
		}
		got, _ := h.Get(h.ctx(), u.ID)
		if got.Email != "Grace@example.com" || got.Name != "Grace" || got.EmailVerifiedAt.IsZero() || got.Roles != "admin staff" {
			t.Errorf("made %+v", got)
		}
		_, err = h.accept(token, "grace2")
		wantReason(t, err, "link_ended")
		_, err = h.Register(h.ctx(), Register{Email: "eve@example.com", Password: goodPassword, Client: visitor})
		wantReason(t, err, "signup_invite_only")
		if h.recorded(audit.InvitationSent) != 1 || h.recorded(audit.InvitationAccepted) != 1 {
			t.Error("the record misses a step")
		}
	})
}

func TestOnlyWhoMayInviteInvitesAndNobodyGivesMoreThanAnOwnerMay(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.chief("boss@example.com", RoleOwner)
		admin, plain := h.chief("admin@example.com", RoleAdmin), h.chief("plain@example.com", "staff")
		try := func(by *models.User, roles ...string) error {
			_, err := h.Invite(h.ctx(), h.proof(by), Invite{Email: "new@example.com", Roles: roles}, visitor)
			return err
		}
		wantReason(t, try(plain), "forbidden")
		wantReason(t, try(admin, RoleOwner), "role_above_yours")
		wantReason(t, try(admin, "staff", RoleAdmin), "role_above_yours")
		wantReason(t, try(admin, "No Role"), "validation_failed")
		wantReason(t, try(admin, "staff"), "")
		_, err := h.Invite(h.ctx(), tokens.Proof{User: admin.ID, At: h.clock.Now().Add(-time.Hour)}, Invite{Email: "new@example.com"}, visitor)
		wantReason(t, err, "step_up_required")
		_, err = h.Invite(h.ctx(), h.proof(admin), Invite{Email: "PLAIN@example.com"}, visitor)
		wantField(t, err, "email", "has_account")
		if len(h.mailsTo("plain@example.com")) != 1 { // that of the sign-up
			t.Error("the one who has an account was written to")
		}
		if err := h.SetRoles(h.ctx(), admin.ID, nil, visitor); err != nil {
			t.Fatal(err)
		}
		wantReason(t, try(admin), "forbidden")
		if ok, err := h.Permitted(h.ctx(), admin.ID, PermitInvite); ok || err != nil {
			t.Error("the old role still counts", err)
		}
	})
}

func TestAnAdministratorWhoIsThrownOutLeavesNoOpenDoor(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.chief("boss@example.com", RoleOwner)
		for i, gone := range []func(u *models.User) error{
			func(u *models.User) error { return h.SetDisabled(h.ctx(), u.ID, true, visitor) },
			func(u *models.User) error { return h.SetRoles(h.ctx(), u.ID, []string{RoleAdmin}, visitor) },
			func(u *models.User) error { _, err := h.CloseUser(h.ctx(), u.ID, visitor); return err },
			func(u *models.User) error { return h.EraseUser(h.ctx(), u.ID, visitor) },
		} {
			thief := h.chief(address(i), RoleOwner)
			token := h.invited(thief, "door"+address(i), RoleAdmin)
			if err := gone(thief); err != nil {
				t.Fatal(err)
			}
			_, err := h.accept(token, "")
			wantReason(t, err, "link_ended")
		}
	})
}

func TestOfManyAcceptancesOneMakesTheAccount(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, inviteOnly)
		_, url, err := h.InviteByOperator(h.ctx(), Invite{Email: "grace@example.com"}, visitor)
		if err != nil {
			t.Fatal(err)
		}
		_, token, _ := strings.Cut(url.Reveal(), "token=")
		answers := race(func(i int) error { _, err := h.accept(token, ""); return err })
		if answers[""] != 1 || answers["link_ended"] != rivals-1 || h.count("SELECT COUNT(*) FROM users") != 1 {
			t.Errorf("answers %v", answers)
		}
	})
}

func TestANewInvitationAWithdrawalAndAWeekEndTheLink(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		boss := h.chief("boss@example.com", RoleOwner)
		first := h.invited(boss, "a@example.com")
		second := h.invited(boss, "A@example.com")
		_, err := h.accept(first, "")
		wantReason(t, err, "link_ended")
		list, err := h.Invitations(h.ctx())
		if err != nil || len(list) != 2 || !list[0].WithdrawnAt.IsZero() || list[1].WithdrawnAt.IsZero() {
			t.Fatal(list, err)
		}
		wantReason(t, h.WithdrawInvitation(h.ctx(), h.chief("staff@example.com", "staff").ID, list[0].ID, visitor), "forbidden")
		wantReason(t, h.WithdrawInvitation(h.ctx(), boss.ID, list[0].ID, visitor), "")
		wantReason(t, h.WithdrawInvitation(h.ctx(), boss.ID, list[0].ID, visitor), "not_found")
		_, err = h.PeekInvitation(h.ctx(), second)
		wantReason(t, err, "link_ended")
		third := h.invited(boss, "b@example.com")
		h.clock.Advance(InvitationTTL)
		_, err = h.accept(third, "")
		wantReason(t, err, "link_ended")
		h.clock.Advance(time.Second)
		if err := h.Trim(h.ctx()); err != nil || h.count("SELECT COUNT(*) FROM invitations") != 0 {
			t.Error("old invitations stay", err)
		}
	})
}

func TestATakenNameLeavesTheInvitationAsItIs(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		boss := h.chief("boss@example.com", RoleOwner)
		h.person("ada@example.com", "ada")
		token := h.invited(boss, "grace@example.com")
		_, err := h.accept(token, "ADA")
		wantReason(t, err, "username_taken")
		if _, err = h.accept(token, "grace"); err != nil {
			t.Error(err)
		}
		late := h.invited(boss, "late@example.com")
		h.person("late@example.com", "") // signed up by themselves meanwhile
		_, err = h.accept(late, "")
		wantReason(t, err, "email_taken")
	})
}
