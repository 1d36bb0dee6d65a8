package handlers_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

const guest = "guest@quay.example"

// chief is an account with a role.
func chief(t *testing.T, s *testserver.Server, name, role string) {
	t.Helper()
	u := s.User(name+"@harbour.example", name, password)
	if err := s.Accounts.SetRoles(t.Context(), u.ID, []string{role}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
}

func byInvitation(o *testserver.Options) { o.Signup = accounts.SignupInvite }

func TestAnAdministratorInvitesAndTheGuestMakesAnAccount(t *testing.T) {
	s := testserver.New(t, byInvitation)
	chief(t, s, "boss", "owner")
	s.User("plain@harbour.example", "plain", password)
	s.Browser().Get("/login").Is(200).Lacks(`href="/register"`)
	s.Browser().Get("/register").Is(403).Has("by invitation")
	s.Browser().Post("/register", "email", guest, "password", password).Is(403)
	s.Program().Post("/api/v1/register", "email", guest, "password", password).Fails(403, "forbidden").Has("signup_invite_only")

	plain := s.Browser().Login("plain", password)
	plain.Get("/account").Is(200).Lacks("/admin/invitations")
	plain.Get("/admin/invitations").Is(403)
	plain.Post("/admin/invitations", "email", guest).Is(403)
	s.Browser().Get("/admin/invitations").Leads("/login?return_to=%2Fadmin%2Finvitations")

	b := s.Browser().Login("boss", password)
	b.Get("/account").Is(200).Has("/admin/invitations")
	b.Post("/admin/invitations", "email", "plain@harbour.example").Is(422).Has("There is an account with that address already")
	b.Post("/admin/invitations", "email", guest, "roles", "staff Editor!").Is(422).Has(`id="roles-wrong"`, "staff Editor!")
	b.Post("/admin/invitations", "email", guest, "roles", "staff editor").Leads("/admin/invitations")
	b.Get("/admin/invitations").Is(200).Has("guest@quay.example is invited", "editor")

	link, token := linkOf(t, s), tokenIn(s, t)
	if m := s.LastMail(); m.To != guest || m.Purpose != "invitation" {
		t.Fatalf("mail %+v", m)
	}
	for range 3 { // scanners open the link and press its button
		s.Browser().Get(link).Is(200).Has(guest, `name="password"`)
		s.Browser().Post("/invitation", "token", token).Is(422)
	}
	in := s.Browser()
	in.Post("/invitation", "token", token, "name", "Grace", "username", "boss", "password", freshPassword).Is(422).Has(`id="username-wrong"`, "Grace").Lacks(freshPassword)
	in.Post("/invitation", "token", token, "name", "Grace", "username", "grace", "password", freshPassword).Leads("/login")
	in.Get(link).Is(410)
	in.Login("grace", freshPassword)
	s.Clock.Advance(time.Second)
	p := s.Program().Login("grace", freshPassword)
	p.Call("GET", "/api/v1/me", nil).Is(200).Has(guest, `"email_verified":true`, "editor")
	b.Get("/admin/invitations").Is(200).Has("Accepted")

	b.Post("/admin/invitations", "email", "late@quay.example").Leads("/admin/invitations")
	late := tokenIn(s, t)
	s.User("late@quay.example", "late", password)
	in.Post("/invitation", "token", late, "password", freshPassword).Is(409).Has("Sign in with it")
}

func TestAProgramInvitesListsWithdrawsAndAccepts(t *testing.T) {
	s := testserver.New(t)
	chief(t, s, "boss", "owner")
	chief(t, s, "admin", "admin")
	s.User("plain@harbour.example", "plain", password)
	c := newChecker(t)
	const calls = "/api/v1/admin/invitations"
	plain, admin := s.Program().Login("plain", password), s.Program().Login("admin", password)
	c.check(s.Program().Call("GET", calls, nil).Is(401))
	c.check(plain.Call("GET", calls, nil).Fails(403, "forbidden"))
	c.check(plain.Post(calls, "email", guest).Fails(403, "forbidden"))
	c.check(admin.Call("POST", calls, map[string]any{"email": guest, "roles": []string{"owner"}}).Is(403).Has("role_above_yours"))
	c.check(admin.Post(calls, "email", "plain@harbour.example").Is(409).Has("has_account"))
	c.check(admin.Post(calls, "email", "x@").Is(422))
	id := c.check(admin.Call("POST", calls, map[string]any{"email": guest, "roles": []string{"staff"}, "locale": "de"}).Is(201)).Text("id")
	if m := s.LastMail(); !strings.Contains(m.Subject, "Einladung") {
		t.Errorf("mail %+v", m)
	}
	old := tokenIn(s, t)
	c.check(admin.Call("GET", calls, nil).Is(200).Has(`"state":"open"`))
	c.check(plain.Call("DELETE", calls+"/"+id, nil).Is(403))
	c.check(admin.Call("DELETE", calls+"/"+id, nil).Is(204))
	c.check(admin.Call("DELETE", calls+"/"+id, nil).Is(404))
	c.check(admin.Call("DELETE", calls+"/nothing", nil).Is(404))
	c.check(s.Program().Post("/api/v1/invitations/accept", "token", old, "password", freshPassword).Is(422).Has("link_ended"))
	s.Clock.Advance(time.Second)
	c.check(admin.Post(calls, "email", guest).Is(201))
	token := tokenIn(s, t)
	c.check(s.Program().Post("/api/v1/invitations/accept", "token", token, "password", "short").Is(422))
	c.check(s.Program().Post("/api/v1/invitations/accept", "token", token, "password", freshPassword, "username", "grace").Is(201).Has(`"active"`))
	c.check(s.Program().Post("/api/v1/invitations/accept", "token", token, "password", freshPassword).Is(422).Has("link_ended"))

	// A role that was taken away is gone at once, whatever the token says.
	u, _ := s.Accounts.ByLogin(t.Context(), "admin")
	if err := s.Accounts.SetRoles(t.Context(), u.ID, []string{"admin", "more"}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	admin = s.Program().Login("admin", password)
	if _, err := s.DB.Exec(t.Context(), `UPDATE users SET roles = 'more' WHERE id = ?`, u.ID); err != nil {
		t.Fatal(err)
	}
	c.check(admin.Call("GET", calls, nil).Fails(403, "forbidden"))
	boss := s.Program().Login("boss", password)
	s.Clock.Advance(6 * time.Minute)
	c.check(boss.Post(calls, "email", "second@quay.example").Is(403).Has("step_up_required"))
}

func TestClosingSignsOutEverywhereAndSigningInTakesItBack(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b, other, p := s.Browser().Login("mara", password), s.Browser().Login("mara", password), s.Program().Login("mara", password)
	b.Get("/account/data").Is(200).Has("/account/close", "Download")
	s.Clock.Advance(6 * time.Minute)
	b.Get("/account/close").Leads("/account/reauth?return_to=%2Faccount%2Fclose")
	b.Post("/account/close").Leads("/account/reauth?return_to=%2Faccount%2Fclose")
	p.Call("DELETE", "/api/v1/me", nil).Is(403).Has("step_up_required")
	b.Post("/account/reauth", "password", password, "return_to", "/account/close").Leads("/account/close")
	b.Get("/account/close").Is(200).Has("14", "Close my account")
	b.Post("/account/close").Leads("/login")
	b.Get("/login").Is(200).Has("Your account is closed", "to keep it")
	other.Get("/account").Leads("/login?return_to=%2Faccount")
	p.Call("GET", "/api/v1/me", nil).Is(401)
	if m := s.LastMail(); m.To != mara || !strings.Contains(m.Text, "14 days") {
		t.Errorf("mail %+v", m)
	}
	s.Clock.Advance(13 * 24 * time.Hour)
	b.Post("/login", "username", "mara", "password", "wrong password").Is(401).Lacks("account is closed", "erased")
	b.Login("mara", password)
	b.Get("/account").Is(200).Has("Your account stays")
	s.Clock.Advance(2 * 24 * time.Hour)
	if err := s.Accounts.EraseDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Browser().Login("mara", password)
}

func TestAProgramClosesAnAccountWhichIsErasedInTime(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	c, p := newChecker(t), s.Program().Login("mara", password)
	c.check(s.Program().Call("DELETE", "/api/v1/me", nil).Is(401))
	if at := c.check(p.Call("DELETE", "/api/v1/me", nil).Is(202)).Text("erase_at"); at != s.Clock.Now().Add(14*24*time.Hour).UTC().Format(time.RFC3339) {
		t.Error(at)
	}
	s.Clock.Advance(14 * 24 * time.Hour)
	if err := s.Accounts.EraseDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.Program().Post("/api/v1/login", "username", "mara", "password", password).Is(401)
	never := s.Program().Post("/api/v1/login", "username", "nobody", "password", password).Is(401)
	if before.Text("error_description") != never.Text("error_description") {
		t.Error("an erased account answers otherwise than none")
	}
}

func TestTheOnlyOwnerIsToldToFindAnother(t *testing.T) {
	s := testserver.New(t)
	chief(t, s, "boss", "owner")
	b := s.Browser().Login("boss", password)
	b.Post("/account/close").Is(409).Has("That can’t be done", "only owner").Lacks("Somebody was first")
	b.Get("/account").Is(200)
	newChecker(t).check(s.Program().Login("boss", password).Call("DELETE", "/api/v1/me", nil).Is(409).Has("last_owner"))
}

func TestADownloadOfOnesDataIsAnAttachmentThatNobodyStores(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	s.User("other@harbour.example", "other", password)
	b, c := s.Browser().Login("mara", password), newChecker(t)
	a := b.Post("/account/data").Is(200).Has(`"gatehouse-my-data/1"`, mara, `"signature"`).Lacks("other@", "argon2")
	for name, want := range map[string]string{"Cache-Control": "no-store", "Content-Disposition": `attachment; filename="my-data.json"`, "Content-Type": "application/json; charset=utf-8"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	p := s.Program().Login("mara", password)
	c.check(p.Call("GET", "/api/v1/me/data", nil).Is(200))
	c.check(s.Program().Call("GET", "/api/v1/data/keys", nil).Is(200))
	made := p.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "x", "scopes": []string{"profile:read"}}).Is(201).Text("token")
	s.Send(s.Request("GET", "/api/v1/me/data", "", "Authorization", "Bearer "+made)).Is(403)
	s.Clock.Advance(6 * time.Minute)
	c.check(p.Call("GET", "/api/v1/me/data", nil).Is(403))
	b.Post("/account/data").Leads("/account/reauth?return_to=%2Faccount%2Fdata")
	c.check(s.Program().Call("GET", "/api/v1/me/data", nil).Is(401))
}
