package handlers_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"gatehouse/internal/openapi"
	"gatehouse/internal/testserver"
)

// checker holds answers against the document, and remembers which it saw.
type checker struct {
	t    *testing.T
	v    validator.Validator
	seen map[string]bool
}

func newChecker(t *testing.T) *checker {
	doc, err := libopenapi.NewDocument(openapi.Document())
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return &checker{t, v, map[string]bool{}}
}

// check holds one real answer against the document.
func (c *checker) check(a *testserver.Answer) *testserver.Answer {
	c.t.Helper()
	r := a.Request.Clone(a.Request.Context())
	r.URL = &url.URL{Scheme: "http", Host: "localhost:5000", Path: a.Request.URL.Path}
	res := &http.Response{StatusCode: a.Status, Header: a.Header, Body: io.NopCloser(bytes.NewReader([]byte(a.Body))), Request: r}
	ok, errs := c.v.ValidateHttpResponse(r, res)
	if !ok {
		for _, e := range errs {
			if a.Body == "" && a.Header.Get("Content-Type") == "" && strings.Contains(e.Message, "content type '' does not exist") {
				continue // a body that may be left out, which the document cannot say
			}
			c.t.Errorf("%s %s answered %d: %s: %s", r.Method, r.URL.Path, a.Status, e.Message, e.Reason)
			for _, s := range e.SchemaValidationErrors {
				c.t.Errorf("   %s: %s", s.FieldPath, s.Reason)
			}
		}
		c.t.Logf("%s", a.Body)
	}
	c.seen[r.Method+" "+r.URL.Path+" "+strconv.Itoa(a.Status)] = true
	return a
}

func TestRealAnswersAreAsTheDocumentSays(t *testing.T) {
	s := testserver.New(t)
	c, p := newChecker(t), s.Program()
	for _, path := range []string{"/healthz", "/readyz", "/.well-known/jwks.json", "/.well-known/openid-configuration", "/openapi.json", "/dev/inbox.json"} {
		c.check(p.Call("GET", path, nil).Is(200))
	}
	attempt := c.check(p.Post("/api/v1/register", "email", mara, "password", password, "username", "mara").Is(202)).Text("attempt")
	c.check(p.Post("/api/v1/register", "email", "x", "password", "y").Is(422))
	c.check(p.Raw("POST", "/api/v1/register", "{").Is(400))
	c.check(p.Raw("POST", "/api/v1/register", "{}", "Content-Type", "text/plain").Is(415))
	c.check(p.Call("GET", "/dev/inbox.json", nil).Is(200))
	c.check(p.Post("/api/v1/verify", "attempt", attempt, "code", "000000").Is(422))
	c.check(p.Post("/api/v1/verify", "attempt", attempt, "code", code(s)).Is(204))
	c.check(p.Post("/api/v1/login", "username", "mara", "password", "wrong").Is(401))
	c.check(p.Post("/api/v1/login", "username", "mara").Is(422))
	in := c.check(p.Post("/api/v1/login", "username", "mara", "password", password).Is(200))
	c.check(s.Send(s.Request("POST", "/login", "username=mara&password="+url.QueryEscape(password),
		"Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")).Is(200))
	c.check(p.Call("GET", "/auth", nil).Is(401))
	c.check(p.Call("GET", "/api/v1/me", nil).Is(401))
	p.Access, p.Refresh = in.Text("access_token"), in.Text("refresh_token")
	c.check(p.Call("GET", "/auth", nil).Is(200))
	c.check(p.Call("GET", "/api/v1/me", nil).Is(200))
	c.check(p.Call("PATCH", "/api/v1/me", map[string]string{"name": "Mara"}).Is(200))
	c.check(p.Call("PATCH", "/api/v1/me", map[string]string{"username": ""}).Is(200))
	c.check(p.Call("GET", "/api/v1/me/sessions", nil).Is(200))
	c.check(p.Call("DELETE", "/api/v1/me/sessions/01890a5d-ac96-774b-bcce-b302099a8057", nil).Is(404))
	c.check(p.Call("DELETE", "/api/v1/me/sessions", nil).Is(204))
	c.check(p.Post("/api/v1/reauth", "password", "wrong").Is(401))
	c.check(p.Post("/api/v1/reauth", "password", password).Is(200))
	c.check(p.Post("/api/v1/me/password", "current_password", password, "new_password", "short").Is(422))
	c.check(p.Post("/api/v1/me/password", "current_password", password, "new_password", password+"2").Is(204))
	a := c.check(p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Is(200))
	c.check(p.Post("/api/v1/token/refresh", "refresh_token", "gh_rt_nonsense").Is(401))
	p.Access = a.Text("access_token")
	s.Clock.Advance(6 * time.Minute)
	c.check(p.Call("DELETE", "/api/v1/me/sessions", nil).Is(403))
	c.check(p.Call("POST", "/api/v1/logout", nil).Is(204))
	c.check(p.Call("POST", "/api/v1/logout", nil).Is(401))
	if len(c.seen) < 30 {
		t.Errorf("only %d different answers were seen", len(c.seen))
	}
}

func TestTheOtherAnswersOfASignUpAreAsTheDocumentSays(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.EmailVerification = "optional" })
	c := newChecker(t)
	c.check(s.Program().Post("/api/v1/register", "email", mara, "password", password).Is(201))
	c.check(s.Program().Post("/api/v1/register", "email", mara, "password", password).Is(409))
	closed := testserver.New(t, func(o *testserver.Options) { o.Signup = "closed" })
	c.check(closed.Program().Post("/api/v1/register", "email", mara, "password", password).Is(403))
	throttled := testserver.New(t, func(o *testserver.Options) { o.FreeTries = 1 })
	throttled.User(mara, "mara", password)
	throttled.Program().Post("/api/v1/login", "username", "mara", "password", "wrong").Is(401)
	c.check(throttled.Program().Post("/api/v1/login", "username", "mara", "password", "wrong").Is(429))
}
