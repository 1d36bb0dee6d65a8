package handlers_test

import (
	"testing"

	"gatehouse/internal/testserver"
)

// Two whole servers on one database, and every request goes to one of them by
// chance: nothing of a sign-up, a sign-in or a session is in the memory of one.
func TestTwoNodesServeOnePersonWithoutStickySessions(t *testing.T) {
	const fresh = "another four plain words"
	s := testserver.New(t, func(o *testserver.Options) { o.Nodes = 2 })
	b, other := s.Browser(), s.Browser()
	b.Post("/register", "email", mara, "password", password).Leads("/verify")
	b.Post("/verify", "code", s.LastMail().Code)
	b.Login(mara, password)
	other.Login(mara, password)
	for range 10 {
		b.Get("/account").Is(200)
		other.Get("/account/sessions").Is(200)
	}
	p := s.Program().Login(mara, password)
	p.Call("POST", "/api/v1/me/password", map[string]string{"current_password": password, "new_password": fresh}).Is(204)
	for range 10 { // at once on both, because sessions are in the database
		b.Get("/account").Leads("/login?return_to=%2Faccount")
		p.Call("GET", "/api/v1/me", nil).Fails(401, "invalid_token")
	}
	s.Program().Post("/api/v1/login", "username", mara, "password", password).Fails(401, "invalid_credentials")
	s.Program().Login(mara, fresh)
}
