package handlers_test

import (
	"testing"

	"gatehouse/internal/testserver"
)

const freshPassword = "another four plain words"

// tokenIn is the token of a path like /reset?token=...
func tokenIn(s *testserver.Server, t testing.TB) string {
	t.Helper()
	link := linkOf(t, s)
	return link[len(link)-len("gh_ot_")-43:]
}

func TestAForgottenPasswordIsResetByACodeInTheBrowserThatAsked(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	in := s.Browser().Login("mara", password)
	b := s.Browser()
	b.Get("/login").Is(200).Has(`href="/forgot"`)
	b.Post("/login", "username", "mara", "password", "wrong").Is(401).Has(`href="/forgot"`)
	b.Get("/forgot").Is(200).Has(`name="username"`)
	b.Get("/reset").Leads("/forgot")
	b.Post("/forgot", "username", "a b").Is(422).Has(`id="username-wrong"`)
	b.Post("/forgot", "username", "mara").Leads("/reset")
	b.Get("/reset").Is(200).Has(`name="code"`, `autocomplete="new-password"`, "mara").Lacks(mara)
	six := code(s)
	b.Post("/reset", "code", "000000", "new_password", freshPassword).Is(422).Has(`id="code-wrong"`)
	b.Post("/reset", "code", six, "new_password", "short").Is(422).Has(`id="new_password-wrong"`).Lacks(`id="code-wrong"`)
	s.Browser().Post("/reset", "code", six, "new_password", freshPassword).Leads("/forgot") // another browser
	b.Post("/reset", "code", six, "new_password", freshPassword).Leads("/login")
	b.Get("/login").Is(200).Has("Password changed")
	b.Get("/reset").Leads("/forgot")
	in.Get("/account").Leads("/login?return_to=%2Faccount")
	b.Login(mara, freshPassword)
}

func TestAResetLinkOfAMailWorksInAnyBrowserAndNeedsThePasswordToSet(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	s.Browser().Post("/forgot", "email", mara).Leads("/reset")
	token := tokenIn(s, t)
	other := s.Browser()
	for range 3 { // a scanner opens it and presses the button
		other.Get("/reset?token="+token).Is(200).Has(`name="new_password"`, `value="mara"`).Lacks(`name="code"`)
		other.Post("/reset", "token", token).Is(422)
	}
	other.Post("/reset", "token", token, "new_password", freshPassword).Leads("/login")
	other.Get("/reset?token=" + token).Is(410)
	other.Login("mara", freshPassword)
}

func TestEveryNameIsForgottenAlike(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	var pages, answers []string
	for _, login := range []string{"mara", "nobo"} {
		b := s.Browser()
		b.Post("/forgot", "username", login).Leads("/reset")
		pages = append(pages, b.Get("/reset").Is(200).Body)
		p := s.Program()
		a := p.Post("/api/v1/password/forgot", "username", login).Is(202)
		answers = append(answers, a.Header.Get("Content-Type"))
		attempt := a.Text("attempt")
		for range 5 {
			p.Post("/api/v1/password/reset", "attempt", attempt, "code", "000000", "new_password", freshPassword).Fails(422, "validation_failed")
		}
		if got := p.Post("/api/v1/password/reset", "attempt", attempt, "code", "000000", "new_password", freshPassword).Text("reason"); got != "link_ended" {
			t.Error(login, got)
		}
	}
	if len(pages[0]) != len(pages[1]) || answers[0] != answers[1] {
		t.Error("the answers differ")
	}
}

func TestAProgramResetsAPassword(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	c := newChecker(t)
	old, p := s.Program().Login("mara", password), s.Program()
	attempt := c.check(p.Post("/api/v1/password/forgot", "email", mara).Is(202)).Text("attempt")
	c.check(p.Post("/api/v1/password/forgot").Is(422)).Has(`"email"`)
	c.check(p.Post("/api/v1/password/forgot", "email", "a@b, c@d").Is(422))
	c.check(p.Post("/api/v1/password/reset", "attempt", attempt, "code", "000000", "new_password", freshPassword).Is(422))
	c.check(p.Post("/api/v1/password/reset", "attempt", attempt, "code", code(s), "token", "x", "new_password", freshPassword).Is(400))
	c.check(p.Post("/api/v1/password/reset", "new_password", freshPassword).Is(422))
	c.check(p.Post("/api/v1/password/reset", "attempt", attempt, "code", code(s), "new_password", freshPassword).Is(204))
	old.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	old.Post("/api/v1/token/refresh", "refresh_token", old.Refresh).Fails(401, "invalid_grant")
	p.Login("mara", freshPassword)

	p.Post("/api/v1/password/forgot", "email", mara).Is(202)
	p.Post("/api/v1/password/reset", "token", tokenIn(s, t), "new_password", password).Is(204)
	s.Program().Login("mara", password)
}

func TestWithoutMailAResetIsUnavailableForEverybody(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.NoInbox = true })
	s.User(mara, "mara", password)
	for _, login := range []string{"mara", "nobody"} {
		s.Program().Post("/api/v1/password/forgot", "username", login).Fails(503, "mail_not_configured")
		s.Browser().Post("/forgot", "username", login).Is(503)
	}
}
