package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/testserver"
	"gatehouse/models"
	"gatehouse/tokens"
)

func TestAdministratorsReadTheRecordAndNobodyElseDoes(t *testing.T) {
	s := testserver.New(t)
	chief(t, s, "boss", "owner")
	chief(t, s, "admin", "admin")
	s.User("plain@harbour.example", "plain", password)
	plain := s.Browser().Login("plain", password)
	plain.Get("/account").Is(200).Lacks("/admin/audit")
	plain.Get("/admin/audit").Is(403)
	s.Browser().Get("/admin/audit").Leads("/login?return_to=%2Fadmin%2Faudit")
	s.Browser().Post("/login", "username", "plain", "password", "wrong")

	for _, name := range []string{"boss", "admin"} {
		b := s.Browser().Login(name, password)
		b.Get("/account").Is(200).Has("/admin/audit")
		b.Get("/admin/audit").Is(200).Has(`aria-current="page"`, "user.roles", "plain", "invalid_credentials", "127.0.0.1")
		b.Get("/admin/audit?user=plain&action=signin&outcome=failure").Is(200).Has("invalid_credentials", `value="plain"`, "checked").Lacks("user.roles")
		b.Get("/admin/audit?user=PLAIN@harbour.example").Is(200).Has("invalid_credentials")
		b.Get("/admin/audit?action=user.*").Is(200).Has("user.roles").Lacks("invalid_credentials")
		b.Get("/admin/audit?since=2030-01-01").Is(200).Has("nothing of that kind")
		b.Get("/admin/audit?user=nobody&since=yesterday").Is(422).Has(`id="user-wrong"`, `id="since-wrong"`, `value="nobody"`).Lacks("invalid_credentials")
		b.Get("/admin/audit?action=%22%3E%3Cscript%3E").Is(422).Has(`id="action-wrong"`)
	}

	// A role that was taken away is gone at once, in the middle of a session.
	b := s.Browser().Login("admin", password)
	u, _ := s.Accounts.ByLogin(t.Context(), "admin")
	if _, err := s.DB.Exec(t.Context(), `UPDATE users SET roles = '' WHERE id = ?`, u.ID); err != nil {
		t.Fatal(err)
	}
	b.Get("/admin/audit").Is(403)
}

func TestTheRecordIsReadPageByPage(t *testing.T) {
	s := testserver.New(t)
	chief(t, s, "boss", "owner")
	u := s.User("plain@harbour.example", "plain", password)
	for i := range 120 {
		e := audit.Event{Action: audit.ProfileChanged, Outcome: audit.Success, Actor: u.ID, Subject: u.ID, Detail: map[string]string{"n": fmt.Sprintf("event-%03d", i)}}
		if err := s.Audit.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	b := s.Browser().Login("boss", password)
	path, seen := "/admin/audit?action=profile.changed&user=plain", 0
	for page := 1; path != ""; page++ {
		a := b.Get(path).Is(200)
		seen += strings.Count(a.Body, "event-")
		_, rest, more := strings.Cut(a.Body, `class="button" href="`)
		if more != (page < 3) {
			t.Fatalf("page %d: another one %v", page, more)
		}
		path, _, _ = strings.Cut(rest, `"`)
		path = strings.ReplaceAll(path, "&amp;", "&")
	}
	if seen != 120 {
		t.Errorf("saw %d of 120", seen)
	}

	c, p := newChecker(t), s.Program().Login("boss", password)
	const call = "/api/v1/admin/audit"
	c.check(s.Program().Call("GET", call, nil).Is(401))
	c.check(s.Program().Login("plain", password).Call("GET", call, nil).Fails(403, "forbidden"))
	var before string
	var ids []string
	for {
		a := c.check(p.Call("GET", call+"?action=profile.changed&limit=50"+before, nil).Is(200)).Lacks("salt", "commitment")
		var got struct {
			Events []struct{ ID string }
			Next   string
		}
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Events {
			ids = append(ids, e.ID)
		}
		if got.Next == "" {
			break
		}
		before = "&before=" + got.Next
	}
	if len(ids) != 120 {
		t.Errorf("the API gave %d of 120", len(ids))
	}
	c.check(p.Call("GET", call+"?since=2026-01-02T00:00:00Z&until=2026-01-03&by="+u.ID.String(), nil).Is(200).Has("event-119"))
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "before=x": "before", "outcome=maybe": "outcome", "user=nobody": "user",
		"by=nobody": "by", "since=soon": "since", "until=0001-01-01": "until", "action=%00": "action", "action=" + strings.Repeat("a", 65): "action",
	} {
		if a := c.check(p.Call("GET", call+"?"+query, nil).Fails(422, "validation_failed")); !strings.Contains(a.Body, `"`+field+`":`) {
			t.Errorf("%s: %s", query, a.Body)
		}
	}
	// A personal token is for a person's own things, whatever that person may do.
	pat, _ := personal(t, s, p, "profile:read")
	pat.Call("GET", call, nil).Is(403)
}

// secretsOf drives what people and programs do here, with secrets that stand out,
// and returns all that was shown or sent.
func secretsOf(t *testing.T, s *testserver.Server) (list []string) {
	keep := func(secret string) string {
		if len(secret) < 6 {
			t.Fatalf("%q is no secret", secret)
		}
		list = append(list, secret)
		return secret
	}
	first, second, third, mistyped := keep("first-Opensesame-1"), keep("second-Opensesame-2"), keep("third-Opensesame-3"), keep("mistyped-Opensesame-4")
	b := s.Browser()
	b.Post("/register", "email", mara, "password", first, "username", "mara").Leads("/verify")
	keep(tokenIn(s, t))
	b.Post("/verify", "code", "000000")
	b.Post("/verify", "code", keep(code(s))).Leads("/login")
	s.Browser().Post("/login", "username", "mara", "password", mistyped)
	s.Browser().Post("/login", "username", mistyped, "password", mistyped) // typed into the wrong field
	s.Browser().Post("/forgot", "username", mistyped)
	b.Login("mara", first)
	keep(b.Cookie("gatehouse"))
	b.Post("/account/reauth", "password", mistyped)
	seed := keep(seedOn(b.Post("/account/security/totp").Is(200)))
	proof := keep(appCode(s, seed, 0))
	for _, one := range codesOn(b.Post("/account/security/totp", "code", proof).Is(200)) {
		keep(one)
	}
	s.Clock.Advance(time.Minute)
	in := s.Browser()
	in.Post("/login", "username", "mara", "password", first).Leads("/login/totp")
	in.Post("/login/totp", "code", "000000")
	in.Post("/login/totp", "code", keep(appCode(s, seed, 0))).Leads("/account")
	keep(in.Cookie("gatehouse"))
	s.Clock.Advance(time.Minute)
	in.Post("/account/security", "current_password", first, "new_password", second)
	in.Post("/account/email", "email", newMail).Leads("/account/email/verify")
	keep(code(s))
	keep(tokenIn(s, t))

	s.User("plain@harbour.example", "plain", first)
	p := s.Program().Login("plain", first)
	keep(p.Access)
	keep(p.Refresh)
	p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh+"x")
	next := p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Is(200)
	p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Is(200)
	s.Clock.Advance(time.Minute)
	p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Is(401) // too late: the end of the family
	keep(next.Text("access_token"))
	keep(next.Text("refresh_token"))
	p = s.Program().Login("plain", first)
	pat, _ := personal(t, s, p, "profile:read")
	keep(pat.Access)
	pat.Call("GET", "/auth?access_token="+p.Access, nil)
	p.Post("/api/v1/reauth", "password", mistyped)
	p.Post("/api/v1/me/password", "current_password", first, "new_password", third).Is(204)
	s.Browser().Post("/forgot", "username", "plain").Leads("/reset")
	link := keep(tokenIn(s, t))
	keep(code(s))
	s.Browser().Post("/reset", "token", link, "new_password", second).Leads("/login")
	s.Browser().Post("/reset", "token", link, "new_password", second)

	chief(t, s, "boss", "owner")
	s.Browser().Login("boss", password).Post("/admin/invitations", "email", guest).Leads("/admin/invitations")
	s.Browser().Post("/invitation", "token", keep(tokenIn(s, t)), "username", "grace", "password", third).Leads("/login")
	secret, err := s.Tokens.Services.Add(t.Context(), "orders", tokens.Client{})
	if err != nil {
		t.Fatal(err)
	}
	keep(secret.Reveal())
	return list
}

func TestNoSecretReachesTheRecord(t *testing.T) {
	s := testserver.New(t)
	list := secretsOf(t, s)
	if _, err := s.Audit.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	var rows []models.AuditEvent
	err := s.DB.Write(t.Context(), func(tx *gorm.DB) error { return tx.Find(&rows).Error })
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string]bool{}
	for _, r := range rows {
		actions[r.Action+" "+r.Outcome] = true
		// Ids are random: six digits of a code may be found in them by chance.
		fmt.Fprintln(&text, r.Action, r.Outcome, r.Reason, r.ClientID, string(r.Detail), string(r.Personal))
	}
	for _, must := range []string{
		"signin success", "signin failure", "signup.verified success", "factor.added success", "password.changed success", "password.reset success",
		"refresh.rotated success", "refresh.reused failure", "personal_token.made success", "service.added success", "invitation.accepted success", "reauth failure",
	} {
		if !actions[must] {
			t.Errorf("%q is not on record: the test shows nothing of it (%v)", must, actions)
		}
	}
	log := s.Log.String()
	for _, secret := range list {
		if strings.Contains(text.String(), secret) {
			t.Errorf("the record holds %q", secret)
		}
		// A line of the log may hold the digits of a code in a time or an id.
		if len(secret) > 8 && strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if len(list) < 30 {
		t.Errorf("only %d secrets", len(list))
	}
}
