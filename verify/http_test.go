package verify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOneTokenInTheHeaderIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		query   string
		headers []string
		want    string
		err     error
	}{
		"the usual":                  {"", []string{"Bearer abc.def.ghi"}, "abc.def.ghi", nil},
		"scheme in any case (9110)":  {"", []string{"bEARER abc"}, "abc", nil},
		"several spaces":             {"", []string{"Bearer   abc "}, "abc", nil},
		"none":                       {"", nil, "", ErrNoToken},
		"empty":                      {"", []string{""}, "", ErrNoToken},
		"only the scheme":            {"", []string{"Bearer"}, "", ErrNoToken},
		"only the scheme, a space":   {"", []string{"Bearer "}, "", ErrNoToken},
		"another scheme":             {"", []string{"Basic YTpi"}, "", ErrNoToken},
		"no scheme":                  {"", []string{"abc.def.ghi"}, "", ErrNoToken},
		"two headers":                {"", []string{"Bearer abc", "Bearer abc"}, "", ErrManyTokens},
		"two in one header":          {"", []string{"Bearer abc def"}, "", ErrManyTokens},
		"a list":                     {"", []string{"Bearer abc, Bearer def"}, "", ErrManyTokens},
		"in the query string":        {"access_token=abc", nil, "", ErrInQuery},
		"empty in the query string":  {"access_token=", []string{"Bearer abc"}, "", ErrInQuery},
		"in both":                    {"a=1&access_token=abc", []string{"Bearer abc"}, "", ErrInQuery},
		"by an escaped name":         {"access%5Ftoken=abc", nil, "", ErrInQuery},
		"a JWT by another name":      {"token=eyJhbGciOi.e30.e", nil, "", ErrInQuery},
		"another token's own param":  {"token=reset-me", []string{"Bearer abc"}, "abc", nil},
		"an unrelated query":         {"page=2&q=access_token", []string{"Bearer abc"}, "abc", nil},
		"a query that is not proper": {"%zz&;", []string{"Bearer abc"}, "abc", nil},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?"+c.query, nil)
		for _, h := range c.headers {
			r.Header.Add("Authorization", h)
		}
		got, err := Bearer(r)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, err, c.want, c.err)
		}
	}
}

// ask sends a request to a guarded handler and returns the answer.
func ask(t *testing.T, h http.Handler, target, token string) (*http.Response, map[string]string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body := map[string]string{}
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return w.Result(), body
}

func hello(w http.ResponseWriter, r *http.Request) {
	p, ok := FromContext(r.Context())
	if !ok {
		http.Error(w, "nobody", http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"sub": p.Subject})
}

func TestTheHandlerLetsThroughOrAnswers(t *testing.T) {
	v, _ := newVerifier(t)
	h := v.Handler(http.HandlerFunc(hello))
	for name, c := range map[string]struct {
		target, token     string
		status            int
		challenge, reason string
	}{
		"a good token": {"/", golden(t, "ES256"), 200, "", ""},
		// RFC 6750, section 3.1: no error where no credentials were sent.
		"no token": {"/", "", 401, `Bearer realm="access"`, "no_token"},
		"a bad token": {"/", "abc", 401,
			`Bearer error="invalid_token", error_description="The access token is not a well-formed JWT."`, "malformed"},
		"in the query": {"/?access_token=" + golden(t, "ES256"), "", 401,
			`Bearer error="invalid_token", error_description="Access tokens in the query string are refused. Use the header: Authorization: Bearer TOKEN."`, "token_in_query"},
	} {
		res, body := ask(t, h, c.target, c.token)
		if res.StatusCode != c.status || res.Header.Get("WWW-Authenticate") != c.challenge || body["reason"] != c.reason {
			t.Errorf("%s: %d %q %v", name, res.StatusCode, res.Header.Get("WWW-Authenticate"), body)
		}
		if c.status != 200 && (body["error"] != "invalid_token" || body["error_description"] == "" ||
			res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: not the one shape: %v %v", name, body, res.Header)
		}
	}
}

func TestScopesAreAllAskedAndOfRolesOne(t *testing.T) {
	v, _ := newVerifier(t)
	for name, c := range map[string]struct {
		guard     func(http.Handler) http.Handler
		status    int
		code      string
		challenge string
	}{
		"the scope":           {RequireScope("orders:read"), 200, "", ""},
		"both scopes":         {RequireScope("orders:read", "profile"), 200, "", ""},
		"one of two scopes":   {RequireScope("profile", "orders:write"), 403, "insufficient_scope", `scope="profile orders:write"`},
		"a part of a scope":   {RequireScope("orders"), 403, "insufficient_scope", `error="insufficient_scope"`},
		"the role":            {RequireRole("admin"), 200, "", ""},
		"one of two roles":    {RequireRole("owner", "admin"), 200, "", ""},
		"another role":        {RequireRole("owner"), 403, "forbidden", ""},
		"a role as a scope":   {RequireScope("admin"), 403, "insufficient_scope", ""},
		"no role is nobody's": {RequireRole(), 403, "forbidden", ""},
	} {
		res, body := ask(t, v.Handler(c.guard(http.HandlerFunc(hello))), "/", golden(t, "ES256"))
		if res.StatusCode != c.status || body["error"] != c.code || !strings.Contains(res.Header.Get("WWW-Authenticate"), c.challenge) {
			t.Errorf("%s: %d %v %q", name, res.StatusCode, body, res.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestAGuardWithoutAVerifierBeforeItLetsNobodyThrough(t *testing.T) {
	for _, guard := range []func(http.Handler) http.Handler{RequireScope(), RequireRole("admin")} {
		if res, _ := ask(t, guard(http.HandlerFunc(hello)), "/", golden(t, "ES256")); res.StatusCode != 401 {
			t.Errorf("got %d", res.StatusCode)
		}
	}
}

func TestAQuoteInAScopeCannotBreakTheChallenge(t *testing.T) {
	challenge := Challenge(CheckScope(&Principal{}, "a\"b\\c\r\nX-Evil: 1"))
	if strings.ContainsAny(challenge, "\r\n\\") || strings.Count(challenge, `"`) != 6 {
		t.Errorf("got %q", challenge)
	}
}

func TestWhenKeysAreUnavailableTheAnswerIs503(t *testing.T) {
	v, _ := newVerifier(t, func(o *Options) { o.Keys = brokenSource{} })
	res, body := ask(t, v.Handler(http.HandlerFunc(hello)), "/", golden(t, "ES256"))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || body["error"] != "unavailable" || res.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%d %v %v", res.StatusCode, res.Header, body)
	}
	if strings.Contains(body["error_description"], "fire") {
		t.Error("the cause is shown")
	}
}

func TestTheRequestIDOfAnOuterMiddlewareIsPassedOn(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "r-1")
	WriteError(w, ErrNoToken)
	if !strings.Contains(w.Body.String(), `"request_id":"r-1"`) {
		t.Errorf("got %s", w.Body)
	}
}

func TestAContextWithoutAPrincipalHasNone(t *testing.T) {
	if p, ok := FromContext(context.Background()); ok || p != nil {
		t.Error("somebody is there")
	}
}
