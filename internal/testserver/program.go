package testserver

import (
	"encoding/json"
	"net/http"
)

// Program calls the JSON API.
type Program struct {
	s *Server
	// Access and Refresh are its tokens; "" sends none.
	Access, Refresh string
}

// Program is one without tokens.
func (s *Server) Program() *Program { return &Program{s: s} }

// Call sends body as JSON; nil sends none.
func (p *Program) Call(method, path string, body any) *Answer {
	p.s.T.Helper()
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		p.s.must(err)
		text = string(b)
	}
	return p.Raw(method, path, text)
}

// Raw sends a body as it is, as application/json.
func (p *Program) Raw(method, path, body string, header ...string) *Answer {
	p.s.T.Helper()
	r := p.s.Request(method, path, body, header...)
	r.Header.Set("User-Agent", "curl/8.5.0")
	if body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if p.Access != "" {
		r.Header.Set("Authorization", "Bearer "+p.Access)
	}
	return p.s.Send(r)
}

// Post is Call with POST and an object of texts, name and value in turn.
func (p *Program) Post(path string, fields ...string) *Answer {
	p.s.T.Helper()
	body := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		body[fields[i]] = fields[i+1]
	}
	return p.Call(http.MethodPost, path, body)
}

// Login gets tokens and checks that it worked.
func (p *Program) Login(username, password string) *Program {
	p.s.T.Helper()
	a := p.Post("/api/v1/login", "username", username, "password", password).Is(http.StatusOK)
	p.Access, p.Refresh = a.Text("access_token"), a.Text("refresh_token")
	return p
}
