package handlers_test

import (
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
	"gatehouse/mail"
)

// A letter is written in the transaction of its cause, on SQLite in the one
// goroutine that writes for everybody.
func TestAPanicInALetterIsOne500AndHoldsNobodyUp(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = url })
		s.User("mara@harbour.example", "mara", "four plain words here")
		whole := make([]mail.Deps, len(s.Nodes))
		for i, node := range s.Nodes {
			whole[i] = node.Mail.Deps
			node.Mail.Deps = mail.Deps{DB: node.DB, Dev: true} // what it needs is missing: it panics
		}
		a := s.Program().Post("/api/v1/register", "email", "otto@harbour.example", "password", "four plain words here").Fails(500, "server_error")
		if strings.Contains(a.Body, "nil") || strings.Count(s.Log.String(), "msg=panic") != 1 {
			t.Errorf("the panic was told to a stranger, or not logged once: %s", a.Body)
		}
		s.Program().Login("mara@harbour.example", "four plain words here") // a write goes on
		for i, node := range s.Nodes {
			node.Mail.Deps = whole[i]
		}
		s.Program().Post("/api/v1/register", "email", "otto@harbour.example", "password", "four plain words here").Is(202)
	})
}
