package handlers_test

import (
	"context"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/accounts"
	"gatehouse/handlers"
	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

// cacheable are the answers that are the same for everybody and may be kept;
// nothing else may be (rule 20; ASVS 5.0, V14.3.2).
var cacheable = []string{
	"/static/", "/favicon.ico", "/.well-known/jwks.json", "/.well-known/openid-configuration", "/.well-known/webauthn",
	"/openapi.json", "/api/v1/data/keys", "/api/v1/revocations/keys", "/api/v1/revocations",
}

func TestEveryRouteHasTheSecurityHeaders(t *testing.T) {
	for _, app := range []string{"http://localhost:5000", "https://gate.example"} {
		seen := map[int]bool{}
		for _, a := range answersOfAllKinds(t, app) {
			seen[a.Status] = true
			checkHeaders(t, a, strings.HasPrefix(app, "https"))
		}
		// A table that asks for nothing finds nothing.
		for _, status := range []int{200, 202, 204, 303, 304, 400, 401, 403, 404, 405, 410, 413, 415, 421, 422, 429, 500, 503} {
			if !seen[status] {
				t.Errorf("%s: no answer with the status %d was looked at", app, status)
			}
		}
	}
}

// answersOfAllKinds asks every route as a stranger, as a person in a browser,
// as a program and as a service, and brings about what no single request does.
func answersOfAllKinds(t *testing.T, app string) (list []*testserver.Answer) {
	t.Helper()
	broken := false
	s := testserver.New(t, func(o *testserver.Options) {
		o.AppURL, o.FreeTries = app, 2
		o.Parts = []handlers.Part{{Name: "database", Ready: func(context.Context) error {
			if broken {
				panic("a fault of ours")
			}
			return nil
		}}}
	})
	if err := s.Accounts.SetRoles(t.Context(), s.User(mara, "mara", password).ID, []string{"owner"}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	person, program, credential := s.Browser().Login("mara", password), s.Program().Login("mara", password), service(t, s)
	ask := func(method, path, body string, header ...string) *testserver.Answer {
		a := s.Send(s.Request(method, path, body, header...))
		list = append(list, a)
		return a
	}
	cookie := cookieHeader(person)
	for _, r := range handlers.Table() {
		if strings.HasSuffix(r.Path, "/stream") {
			continue // it has no end; a stranger's is among the unsigned ones below
		}
		if r.Method == get && r.Group == handlers.Page {
			ask(get, r.Path, "", "Cookie", cookie)
		}
		if r.Method == get {
			ask(get, pathOf(r), "", "Authorization", "Bearer "+program.Access)
			a := ask(get, pathOf(r), "", "Authorization", "Bearer "+credential.Access)
			if tag := a.Header.Get("ETag"); tag != "" {
				ask(get, pathOf(r), "", "Authorization", "Bearer "+credential.Access, "If-None-Match", tag).Is(304)
			}
		}
	}
	for _, r := range handlers.Table() {
		for _, kind := range []string{"", "application/json", "application/x-www-form-urlencoded"} {
			ask(r.Method, pathOf(r), "", "Content-Type", kind)
		}
		ask(r.Method, pathOf(r), "", "Sec-Fetch-Site", "cross-site")
		ask("OPTIONS", pathOf(r), "")
		ask("BREW", pathOf(r), "", "Accept", "application/json")
		ask(r.Method, pathOf(r), strings.Repeat("x", 70<<10), "Content-Type", "application/json")
		foreign := s.Request(r.Method, pathOf(r), "")
		foreign.Host = "evil.example"
		list = append(list, s.Send(foreign))
	}
	ask(get, "/nothing/here", "")
	ask(get, "/api/v1/nothing", "")
	ask(get, "/static/nothing.css", "")
	ask(get, regexp.MustCompile(`/static/[\w./-]+`).FindString(ask(get, "/login", "").Body), "").Is(200)
	ask("POST", "/api/v1/register", `{"email":"x@harbour.example","password":"`+password+`"}`, "Content-Type", "application/json").Is(202)
	const form = "application/x-www-form-urlencoded"
	ask("POST", "/register", "email=x", "Content-Type", form).Is(422)
	ask(get, "/verify?token=gh_ot_x", "").Is(410)
	for range 4 {
		ask("POST", "/login", "username=mara&password=wrong", "Content-Type", form)
		ask("POST", "/api/v1/login", `{"username":"mara","password":"wrong"}`, "Content-Type", "application/json")
	}
	broken = true
	ask(get, "/readyz", "").Is(500)
	for _, node := range s.Nodes {
		*node.Accounts = accounts.Service{} // whatever is done with it panics
	}
	ask("POST", "/forgot", "email=mara@harbour.example", "Content-Type", form).Is(500)
	silent := testserver.New(t, func(o *testserver.Options) { o.AppURL, o.NoInbox = app, true })
	list = append(list, silent.Browser().Post("/forgot", "username", mara).Is(503), silent.Program().Post("/api/v1/password/forgot", "username", mara).Is(503))
	return list
}

const get = http.MethodGet

// cookieHeader is what the browser would send, whatever its cookie is called.
func cookieHeader(b *testserver.Browser) string {
	for _, name := range []string{"gatehouse", "__Host-gatehouse"} {
		if v := b.Cookie(name); v != "" {
			return name + "=" + v
		}
	}
	return ""
}

func checkHeaders(t *testing.T, a *testserver.Answer, https bool) {
	t.Helper()
	if a.Status >= 500 && a.Status != 503 && a.Request.URL.Path != "/readyz" && a.Request.URL.Path != "/forgot" {
		t.Errorf("%s %s: got %d\n%s", a.Request.Method, a.Request.URL, a.Status, a.Body)
	}
	html := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html")
	for _, wrong := range slices.Concat(
		wrongPolicy(a.Header, html), wrongStorage(a), wrongCookies(a, https), wrongIsolation(a.Header, html), wrongType(a), wrongTransport(a.Header, https),
	) {
		t.Errorf("%s %s, %d: %s", a.Request.Method, a.Request.URL, a.Status, wrong)
	}
}

// wrongPolicy is about CSP Level 3 (ASVS 5.0, V3.4.3 and V3.4.6).
func wrongPolicy(h http.Header, html bool) (wrong []string) {
	if len(h.Values("Content-Security-Policy")) != 1 {
		return []string{"there is not one policy"}
	}
	policy := map[string]string{}
	for one := range strings.SplitSeq(h.Get("Content-Security-Policy"), ";") {
		name, sources, _ := strings.Cut(strings.TrimSpace(one), " ")
		policy[name] = sources
	}
	for _, name := range []string{"default-src", "object-src", "base-uri", "frame-ancestors"} {
		if policy[name] != "'none'" {
			wrong = append(wrong, "the policy has "+name+" "+policy[name])
		}
	}
	for name, sources := range policy {
		if sources != "'none'" && (sources != "'self'" || !html) {
			// An answer that is no page may still carry the policy of pages: a
			// redirect or a 204 of a page's route. Nothing weaker than that.
			if sources != "'self'" {
				wrong = append(wrong, "the policy lets in too much: "+name+" "+sources)
			}
		}
	}
	return wrong
}

// wrongStorage is about caches: what may be kept is named above, is the same
// for everybody, and sets no cookie.
func wrongStorage(a *testserver.Answer) (wrong []string) {
	cache := a.Header.Get("Cache-Control")
	public := slices.ContainsFunc(cacheable, func(p string) bool {
		return a.Request.URL.Path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(a.Request.URL.Path, p)
	})
	if cache == "no-store" {
		return nil
	}
	switch {
	case !public || a.Status != 200 && a.Status != 304:
		wrong = append(wrong, "Cache-Control is "+cache+", want no-store")
	case a.Header.Get("Set-Cookie") != "":
		wrong = append(wrong, "a cookie in what caches keep")
	}
	return wrong
}

func wrongCookies(a *testserver.Answer, https bool) (wrong []string) {
	for _, c := range a.Response.Cookies() {
		// The one of a challenge is never needed by a link from elsewhere.
		strict := strings.HasSuffix(c.Name, "_passkey") && c.SameSite == http.SameSiteStrictMode
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode && !strict || c.Path != "/" || c.Domain != "" ||
			c.Secure != https || strings.HasPrefix(c.Name, "__Host-") != https {
			wrong = append(wrong, "the cookie "+c.String())
		}
	}
	return wrong
}

func wrongIsolation(h http.Header, html bool) (wrong []string) {
	if !slices.Equal(h.Values("X-Content-Type-Options"), []string{"nosniff"}) {
		wrong = append(wrong, "no nosniff")
	}
	if p := h.Get("Referrer-Policy"); p != "no-referrer" && p != "same-origin" {
		wrong = append(wrong, "Referrer-Policy "+p)
	}
	if html && (h.Get("Cross-Origin-Opener-Policy") != "same-origin" || h.Get("Cross-Origin-Resource-Policy") != "same-origin") {
		wrong = append(wrong, "a page that other origins may hold on to")
	}
	if html && h.Get("Vary") != "Cookie, Accept-Language" {
		wrong = append(wrong, "Vary "+h.Get("Vary"))
	}
	if h.Get("Access-Control-Allow-Credentials") != "" {
		wrong = append(wrong, "other origins may read with credentials")
	}
	for _, name := range []string{"Server", "X-Powered-By", "Via", "X-Debug", "Public-Key-Pins"} {
		if h.Get(name) != "" {
			wrong = append(wrong, name+" tells "+h.Get(name))
		}
	}
	return wrong
}

// wrongType: whatever has a body says what it is, and text says how it is
// written, so that no browser guesses (RFC 9110, section 8.3; RFC 8259,
// section 8.1: JSON is UTF-8 and needs no parameter).
func wrongType(a *testserver.Answer) []string {
	kind := a.Header.Get("Content-Type")
	if kind == "" {
		if a.Body != "" {
			return []string{"a body without a type"}
		}
		return nil
	}
	media, params, err := mime.ParseMediaType(kind)
	known := []string{"text/html", "text/css", "text/javascript", "application/json", "application/jwk-set+json", "application/octet-stream", "image/svg+xml", "text/event-stream"}
	if err != nil || !slices.Contains(known, media) {
		return []string{"Content-Type " + kind}
	}
	if strings.HasPrefix(media, "text/") && media != "text/event-stream" && params["charset"] != "utf-8" {
		return []string{"Content-Type without its charset: " + kind}
	}
	return nil
}

func wrongTransport(h http.Header, https bool) []string {
	want := ""
	if https {
		want = "max-age=31536000; includeSubDomains" // ASVS 5.0, V3.4.1
	}
	if got := h.Get("Strict-Transport-Security"); got != want {
		return []string{"Strict-Transport-Security is " + got}
	}
	return nil
}

func TestWhatCachesMayKeepIsTheSameForEverybody(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	cookie := cookieHeader(s.Browser().Login("mara", password))
	paths := []string{regexp.MustCompile(`/static/[\w./-]+`).FindString(s.Browser().Get("/login").Body)}
	for _, p := range cacheable {
		if !strings.HasSuffix(p, "/") && p != "/api/v1/revocations" {
			paths = append(paths, p)
		}
	}
	for _, path := range paths {
		plain := s.Send(s.Request(get, path, ""))
		for name, value := range map[string]string{
			"Cookie": cookie, "Accept-Language": "de", "Accept": "text/html", "Accept-Encoding": "gzip", "Origin": "https://other.example",
			"User-Agent": testserver.FirefoxAgent, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Original-Url": "/account", "X-Http-Method-Override": "DELETE",
		} {
			a := s.Send(s.Request(get, path, "", name, value))
			if (a.Status != plain.Status || a.Body != plain.Body) && !strings.Contains(plain.Header.Get("Vary"), name) {
				t.Errorf("%s: %s changes the answer, and Vary is %q", path, name, plain.Header.Get("Vary"))
			}
		}
	}
}
