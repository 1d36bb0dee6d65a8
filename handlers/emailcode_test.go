package handlers_test

import (
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testserver"
)

func withCodes(o *testserver.Options) { o.EmailCode = true }

func TestAPersonSignsInWithAMailedCodeInTheBrowserThatAsked(t *testing.T) {
	s := testserver.New(t, withCodes)
	s.User(mara, "mara", password)
	b, other := s.Browser(), s.Browser()
	b.Get("/login").Is(200).Has("/login/emailcode")
	b.Get("/login/emailcode").Is(200).Has(`name="username"`).Lacks(`name="code"`)
	b.Post("/login/emailcode", "username", "").Is(422)
	b.Post("/login/emailcode", "username", "mara").Leads("/login/emailcode")
	b.Get("/login/emailcode").Is(200).Has(`name="code"`, "mara").Lacks(mara)
	if m := s.LastMail(); m.To != mara || m.Purpose != "email_code" || len(m.Code) != 6 {
		t.Fatalf("mail %+v", m)
	}
	right := code(s)
	other.Post("/login/emailcode", "code", right).Is(422).Has(`name="username"`) // it asked for none
	b.Post("/login/emailcode", "code", "").Is(422)
	b.Post("/login/emailcode", "code", wrongOf(right)).Is(422).Has(`id="code-wrong"`)
	b.Post("/login/emailcode", "code", right).Leads("/account")
	b.Get("/account").Is(200).Has("You’re signed in")
}

func TestAMailedCodeIsOneFactorAndWorksOnce(t *testing.T) {
	s := testserver.New(t, withCodes)
	s.User(mara, "mara", password)
	c, p := newChecker(t), s.Program()
	begin := func(name string) string {
		s.Clock.Advance(time.Second)
		return c.check(s.Program().Post("/api/v1/login/emailcode/begin", "username", name).Is(202)).Text("attempt")
	}
	attempt := begin(mara)
	right := code(s)
	done := c.check(p.Post("/api/v1/login/emailcode", "attempt", attempt, "code", right).Is(200))
	claims := claimsOf(t, done.Text("access_token"))
	if claims["acr"] != "aal1" || len(claims["amr"].([]any)) != 1 || claims["amr"].([]any)[0] != "email" {
		t.Errorf("claims %v", claims)
	}
	c.check(p.Post("/api/v1/login/emailcode", "attempt", attempt, "code", right).Is(422).Has("link_ended"))

	// A name that nobody has is answered alike at every step.
	known, nobody := begin("mara"), begin("nobody")
	for range 5 {
		k := c.check(p.Post("/api/v1/login/emailcode", "attempt", known, "code", wrongOf(code(s))).Is(422).Has("code_wrong"))
		n := c.check(p.Post("/api/v1/login/emailcode", "attempt", nobody, "code", "000000").Is(422))
		if k.Text("error_description") != n.Text("error_description") {
			t.Error("the answers differ")
		}
	}
	c.check(p.Post("/api/v1/login/emailcode", "attempt", known, "code", code(s)).Is(422).Has("link_ended"))
	c.check(p.Post("/api/v1/login/emailcode", "attempt", nobody, "code", "000000").Is(422).Has("link_ended"))
	// Nor do wrong codes lock the password's owner out.
	s.Program().Login("mara", password)
}

func TestMailedCodesAreOffUnlessTheyAreOn(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	s.Browser().Get("/login").Is(200).Lacks("emailcode")
	s.Browser().Get("/login/emailcode").Is(404)
	s.Browser().Post("/login/emailcode", "username", "mara").Is(404)
	s.Program().Post("/api/v1/login/emailcode/begin", "username", "mara").Is(404)
	s.Program().Post("/api/v1/login/emailcode", "attempt", "x", "code", "123456").Is(404)
	if len(s.Inbox()) != 0 {
		t.Error("a mail left")
	}
}

// wrongOf is a code that is surely another one.
func wrongOf(code string) string {
	if code == "111111" {
		return "222222"
	}
	return "111111"
}

func TestOfManySignInsWithOneCodeOneSucceeds(t *testing.T) {
	s := testserver.New(t, withCodes)
	s.User(mara, "mara", password)
	attempt := s.Program().Post("/api/v1/login/emailcode/begin", "username", "mara").Is(202).Text("attempt")
	right := code(s)
	answers := make([]int, 32)
	var work sync.WaitGroup
	for i := range answers {
		work.Go(func() {
			answers[i] = s.Program().Post("/api/v1/login/emailcode", "attempt", attempt, "code", right).Status
		})
	}
	work.Wait()
	won := 0
	for _, status := range answers {
		if status == 200 {
			won++
		} else if status != 422 {
			t.Errorf("got %d", status)
		}
	}
	if won != 1 {
		t.Errorf("%d of them signed in", won)
	}
}
