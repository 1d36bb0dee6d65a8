package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/handlers"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

// costly are the reads that have a limit: a person's data are gathered from
// every table, and the feed belongs to services. Every other read costs less
// than a count of it: a page or a document from memory, or a few rows by key.
var costly = []string{"/api/v1/me/data", "/api/v1/revocations", "/api/v1/revocations/stream"}

// unlimited are the writes without a limit, with the reason.
var unlimited = map[string]string{
	"/login/totp":     "without half a sign-in of this browser it leads back to the first step; with one it is the call of a program",
	"/login/recovery": "likewise",
	"/login/reset":    "likewise",
	"/login/enrol":    "likewise",
	"/account/close":  "who has called it is signed out and can't call it again; the limit is there all the same",
}

// typed are bodies that get as far as the limit, which comes after the form.
var typed = map[string]string{
	"/login": "username=ada&password=wrong+wrong", "/api/v1/login": `{"username":"ada","password":"wrong wrong"}`,
	"/api/v1/login/totp": `{"attempt":"x","code":"123456"}`, "/api/v1/login/recovery": `{"attempt":"x","code":"ABCD"}`,
	"/api/v1/login/enrol": `{"attempt":"x"}`, "/api/v1/login/enrol/confirm": `{"attempt":"x","code":"123456"}`,
	"/api/v1/login/emailcode": `{"attempt":"x","code":"123456"}`, "/login/emailcode": "username=ada",
	"/api/v1/login/emailcode/begin": `{"username":"ada"}`, "/api/v1/login/passkey/begin": `{}`,
	"/login/passkey": "credential=" + url.QueryEscape(assertion), "/api/v1/login/passkey/finish": `{"attempt":"x","credential":` + assertion + `}`,
	"/register": "email=bob%40example.com&password=correct+horse+battery", "/api/v1/register": `{"email":"bob@example.com","password":"correct horse battery"}`,
	"/forgot": "username=ada", "/api/v1/password/forgot": `{"email":"ada@example.com"}`,
}

const assertion = `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":"AAAA"}}`

// caller is somebody at an address of their own.
type caller struct {
	s       *testserver.Server
	address string
	header  http.Header
}

func (c caller) call(method, path, body string) *testserver.Answer {
	r := c.s.Request(method, path, body, "Origin", c.s.Options.AppURL, "Sec-Fetch-Site", "same-origin")
	r.RemoteAddr = c.address + ":40000"
	for name, values := range c.header {
		r.Header[name] = values
	}
	switch {
	case strings.HasPrefix(path, "/api/"):
		r.Header.Set("Content-Type", "application/json")
	default:
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return c.s.Send(r)
}

// callerOf is somebody with what the guards of a route ask for first.
func callerOf(s *testserver.Server, r handlers.Route, n int) caller {
	c := caller{s, fmt.Sprintf("10.1.%d.%d", n/256, n%256), http.Header{}}
	if len(r.Guards) == 0 {
		return c
	}
	name, elsewhere := "user"+strconv.Itoa(n), caller{s, fmt.Sprintf("10.2.%d.%d", n/256, n%256), http.Header{}}
	switch r.Guards[0] {
	case handlers.Session:
		s.User(name+"@example.com", name, password)
		a := elsewhere.call(http.MethodPost, "/login", "username="+name+"&password="+url.QueryEscape(password))
		for _, cookie := range a.Response.Cookies() {
			c.header.Add("Cookie", cookie.Name+"="+cookie.Value)
		}
	case handlers.Bearer:
		s.User(name+"@example.com", name, password)
		a := elsewhere.call(http.MethodPost, "/api/v1/login", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password))
		c.header.Set("Authorization", "Bearer "+a.Text("access_token"))
	case handlers.Service:
		raw, err := s.Tokens.Services.Add(s.T.Context(), name, tokens.Client{})
		if err != nil {
			s.T.Fatal(err)
		}
		c.header.Set("Authorization", "Bearer "+raw.Reveal())
	}
	return c
}

// TestEveryRouteThatWritesMailsOrHashesHasALimit calls each of them more often
// than one an hour, which is what every limit allows here.
func TestEveryRouteThatWritesMailsOrHashesHasALimit(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) {
		o.EmailCode, o.Quiet, o.Limits = true, true, map[ratelimit.Name]ratelimit.Rule{}
		for _, row := range ratelimit.Table {
			o.Limits[row.Name] = ratelimit.Rule{N: 1, Per: time.Hour}
		}
	})
	for n, r := range handlers.Table() {
		if r.Method == http.MethodGet && !slices.Contains(costly, r.Path) || unlimited[r.Path] != "" {
			continue
		}
		c := callerOf(s, r, n)
		path, body := pathOf(r), typed[r.Path]
		if r.Path == "/api/v1/token/refresh" {
			body = fmt.Sprintf(`{"refresh_token":%q}`, freshToken(s, n))
		}
		first := c.call(r.Method, path, body)
		if first.Status == http.StatusTooManyRequests {
			t.Errorf("%s %s: the first call is refused\n%s", r.Method, r.Path, first.Body)
		}
		second := c.call(r.Method, path, body)
		if second.Status != http.StatusTooManyRequests {
			t.Errorf("%s %s: %d and then %d, want 429\n%.300s", r.Method, r.Path, first.Status, second.Status, second.Body)
			continue
		}
		saysWhen(t, second)
	}
}

func freshToken(s *testserver.Server, n int) string {
	name := "user" + strconv.Itoa(n)
	s.User(name+"@example.com", name, password)
	a := caller{s, "10.3.0.1", nil}.call(http.MethodPost, "/api/v1/login", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password))
	return a.Text("refresh_token")
}

// saysWhen checks what goes with a refusal (RFC 9110, section 10.2.3;
// draft-ietf-httpapi-ratelimit-headers-11, section 6).
func saysWhen(t *testing.T, a *testserver.Answer) {
	t.Helper()
	wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if err != nil || wait < 1 {
		t.Errorf("%s: Retry-After is %q", a.Request.URL.Path, a.Header.Get("Retry-After"))
	}
	state := a.Header.Values("RateLimit")
	if len(state) == 0 || !strings.HasSuffix(state[len(state)-1], fmt.Sprintf(";r=0;t=%d", wait)) {
		t.Errorf("%s: RateLimit is %q, Retry-After %d", a.Request.URL.Path, state, wait)
	}
}

func TestAProgramIsToldHowItsLimitStandsAndAPageIsNot(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) {
		o.Limits = map[ratelimit.Name]ratelimit.Rule{ratelimit.Login: {N: 5, Per: time.Minute}}
	})
	s.User(mara, "mara", password)
	a := s.Program().Post("/api/v1/login", "username", "mara", "password", password).Is(http.StatusOK)
	if got := a.Header.Get("RateLimit-Policy"); got != `"login";q=5;w=60` {
		t.Errorf("RateLimit-Policy is %q", got)
	}
	if got := a.Header.Get("RateLimit"); got != `"login";r=4;t=48` {
		t.Errorf("RateLimit is %q", got)
	}
	page := s.Browser().Post("/login", "username", "mara", "password", "wrong wrong")
	if page.Status != http.StatusUnauthorized || len(page.Header.Values("RateLimit")) != 0 {
		t.Errorf("a page answered %d with %q", page.Status, page.Header.Values("RateLimit"))
	}
	for range 3 {
		s.Program().Post("/api/v1/login", "username", "mara", "password", "wrong wrong")
	}
	refused := s.Browser().Post("/login", "username", "mara", "password", password).Is(http.StatusTooManyRequests)
	saysWhen(t, refused)
	if !strings.Contains(refused.Body, "You can try again in") {
		t.Errorf("the page does not say when to come back:\n%s", refused.Body)
	}
	if got := refused.Header.Values("RateLimit"); len(got) != 1 {
		t.Errorf("two say how long: %q", got)
	}
}

// The counters of wrong secrets have no rule that could be told; how long to
// wait is.
func TestAWaitOfTheCountersIsToldWithoutAPolicy(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) { o.FreeTries = 1 })
	p := s.Program()
	p.Post("/api/v1/login", "username", "mara", "password", "wrong wrong").Is(http.StatusUnauthorized)
	a := p.Post("/api/v1/login", "username", "mara", "password", "wrong wrong").Is(http.StatusTooManyRequests)
	saysWhen(t, a)
	if a.Header.Get("RateLimit-Policy") != "" {
		t.Error("a policy is told that is not there")
	}
}

func TestTheLimitsOfTwoAccountsAtOneAddressAreApart(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) {
		o.Limits = map[ratelimit.Name]ratelimit.Rule{ratelimit.Writes: {N: 1, Per: time.Hour}}
	})
	s.User(mara, "mara", password)
	s.User("ben@example.com", "ben", password)
	one, other := s.Program().Login("mara", password), s.Program().Login("ben", password)
	one.Call("PATCH", "/api/v1/me", map[string]string{"name": "M"}).Is(http.StatusOK)
	one.Call("PATCH", "/api/v1/me", map[string]string{"name": "N"}).Is(http.StatusTooManyRequests)
	other.Call("PATCH", "/api/v1/me", map[string]string{"name": "B"}).Is(http.StatusOK)
	// A second session of the same person is no second share.
	s.Program().Login("mara", password).Call("PATCH", "/api/v1/me", map[string]string{"name": "N"}).Is(http.StatusTooManyRequests)
}
