package handlers_test

import (
	"testing"
	"time"

	"gatehouse/internal/testserver"
)

const newMail = "mara@quay.example"

func TestAPersonChangesTheirAddressAndTheOldOneTakesItBack(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	s.Clock.Advance(6 * time.Minute)
	b.Get("/account/email").Leads("/account/reauth?return_to=%2Faccount%2Femail")
	b.Post("/account/reauth", "password", password, "return_to", "/account/email").Leads("/account/email")
	b.Get("/account/email/verify").Leads("/account/email")
	b.Get("/account/email").Is(200).Has(mara, `name="email"`)
	b.Post("/account/email", "email", mara).Is(422).Has("already")
	b.Post("/account/email", "email", newMail).Leads("/account/email/verify")
	b.Get("/account/email/verify").Is(200).Has(newMail, `autocomplete="one-time-code"`)
	b.Post("/account/email/verify", "code", "000000").Is(422).Has(`id="code-wrong"`)
	link := linkOf(t, s)
	s.Browser().Get(link).Is(303) // a scanner is sent to the sign-in
	s.User("thief@harbour.example", "thief", password)
	s.Browser().Login("thief", password).Get(link).Is(410)
	b.Get(link).Is(200).Has(newMail).Lacks(`name="code"`)
	s.Clock.Advance(time.Second)
	b.Post("/account/email/verify", "token", tokenIn(s, t)).Leads("/account/profile")
	b.Get("/account/profile").Is(200).Has("Address changed", newMail)
	b.Get(link).Is(410)

	undo, token := linkOf(t, s), tokenIn(s, t)
	if to := s.LastMail().To; to != mara {
		t.Fatal("the notice went to", to)
	}
	owner := s.Browser()
	for range 3 {
		owner.Get(undo).Is(200).Has(mara, `name="new_password"`)
		owner.Post("/undo", "token", token).Is(422)
	}
	b.Get("/account").Is(200)
	owner.Post("/undo", "token", token, "new_password", freshPassword).Leads("/login")
	owner.Get(undo).Is(410)
	b.Get("/account").Leads("/login?return_to=%2Faccount")
	owner.Login(mara, freshPassword)
}

func TestAProgramChangesAnAddress(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	s.User("taken@harbour.example", "taken", password)
	c, p := newChecker(t), s.Program().Login("mara", password)
	c.check(p.Post("/api/v1/me/email", "email", "x").Is(422))
	taken := c.check(p.Post("/api/v1/me/email", "email", "taken@harbour.example").Is(202))
	free := c.check(p.Post("/api/v1/me/email", "email", newMail).Is(202))
	if len(taken.Body) != len(free.Body) {
		t.Error("the answers differ")
	}
	attempt := free.Text("attempt")
	c.check(p.Post("/api/v1/me/email/verify", "attempt", attempt).Is(422))
	c.check(p.Post("/api/v1/me/email/verify", "attempt", attempt, "code", "000000").Is(422))
	c.check(p.Post("/api/v1/me/email/verify", "attempt", attempt, "code", code(s)).Is(204))
	if got := p.Call("GET", "/api/v1/me", nil).Text("email"); got != newMail {
		t.Error(got)
	}
	s.Clock.Advance(6 * time.Minute)
	c.check(p.Post("/api/v1/me/email", "email", "third@quay.example").Is(403))
	c.check(s.Program().Post("/api/v1/me/email", "email", "third@quay.example").Is(401))
	c.check(s.Program().Post("/api/v1/me/email/verify", "attempt", attempt, "code", "000000").Is(401))
}
