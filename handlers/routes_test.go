package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/handlers"
	"gatehouse/internal/openapi"
	"gatehouse/internal/testserver"
)

// described are the groups whose routes stand in the OpenAPI document.
var described = []handlers.Group{handlers.Either, handlers.API, handlers.Lean, handlers.Public, handlers.Feed, handlers.OAuth}

func TestTheRouteTableAndTheDocumentNameTheSameCalls(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string
		}
	}
	if err := json.Unmarshal(openapi.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	routes := map[string]bool{}
	for _, r := range handlers.Table() {
		if !slices.Contains(described, r.Group) {
			continue
		}
		path := strings.ReplaceAll(r.Path, ":id", "{id}")
		call, found := doc.Paths[path][strings.ToLower(r.Method)]
		if !found {
			t.Errorf("%s %s is not in the document", r.Method, path)
		}
		if scheme(call.Security, "bearer") != slices.Contains(r.Guards, handlers.Bearer) ||
			scheme(call.Security, "service") != slices.Contains(r.Guards, handlers.Service) {
			t.Errorf("%s %s: the document and the guards disagree about what to show", r.Method, path)
		}
		routes[r.Method+" "+path] = true
	}
	for path, calls := range doc.Paths {
		for method := range calls {
			if !routes[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is in the document and in no row of the table", method, path)
			}
		}
	}
}

func scheme(security []map[string][]string, name string) bool {
	return slices.ContainsFunc(security, func(one map[string][]string) bool { return one[name] != nil })
}

// pathOf fills a pattern with something.
func pathOf(r handlers.Route) string {
	return regexp.MustCompile(`[:*]\w+`).ReplaceAllString(r.Path, "01890a5d-ac96-774b-bcce-b302099a8057")
}

func TestNoPageHasInlineScriptStyleOrAnotherHost(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	out := s.Browser()
	out.Post("/register", "email", "x@harbour.example", "password", password)
	pages := []*testserver.Answer{b.Post("/account/tokens", "show", "access").Is(200), out.Get("/verify").Is(200), out.Get("/nothing").Is(404)}
	for _, r := range handlers.Table() {
		if r.Method == http.MethodGet && r.Group == handlers.Page {
			pages = append(pages, b.Get(r.Path), out.Get(r.Path))
		}
	}
	bad := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:[^>]*[^/])?>[^<]|(?:src|href|action)="(?:https?:)?//`)
	for _, p := range pages {
		own := strings.ReplaceAll(p.Body, `href="http://localhost:5000/`, `href="/`) // links of mails in the inbox
		if hit := bad.FindString(own); hit != "" {
			t.Errorf("%s holds %q", p.Request.URL, hit)
		}
	}
}

func TestHeadOptionsAndOtherMethodsAreSensible(t *testing.T) {
	s := testserver.New(t)
	for _, path := range []string{"/", "/login", "/healthz", "/.well-known/jwks.json", "/openapi.json", "/nothing"} {
		head, get := s.Send(s.Request("HEAD", path, "")), s.Send(s.Request("GET", path, ""))
		if head.Status != get.Status || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: got %d %s, GET gives %d %s", path, head.Status, head.Header.Get("Content-Type"), get.Status, get.Header.Get("Content-Type"))
		}
	}
	for path, allow := range map[string][]string{
		"/login": {"GET", "HEAD", "POST"}, "/logout": {"POST"}, "/auth": {"GET", "HEAD"},
		"/api/v1/me": {"DELETE", "GET", "HEAD", "PATCH"}, "/api/v1/me/sessions": {"DELETE", "GET", "HEAD"}, "/api/v1/login": {"POST"},
	} {
		options := s.Send(s.Request("OPTIONS", path, "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")).Is(204)
		put := s.Send(s.Request("PUT", path, "")).Is(405)
		for _, a := range []*testserver.Answer{options, put} {
			got := strings.Split(a.Header.Get("Allow"), ", ")
			slices.Sort(got)
			if !slices.Equal(got, allow) {
				t.Errorf("%s %s: Allow is %v, want %v", a.Request.Method, path, got, allow)
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s lets other origins in", a.Request.Method, path)
			}
		}
	}
	s.Send(s.Request("PUT", "/api/v1/me", "")).Fails(405, "method_not_allowed")
	s.Send(s.Request("GET", "/api/v1/nothing", "")).Fails(404, "not_found")
	s.Send(s.Request("GET", "/nothing", "", "Accept", "application/json")).Fails(404, "not_found")
	s.Browser().Get("/nothing").Is(404).Has("<html")
	s.Browser().Get("/login/").Is(404)
	s.Browser().Get("//evil.example/").Is(404)
	s.Send(s.Request("BREW", "/login", "")).Is(405)
}

func TestPublicDocumentsAreCachedByTheirTag(t *testing.T) {
	s := testserver.New(t)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration", "/openapi.json"} {
		a := s.Send(s.Request("GET", path, "")).Is(200)
		tag := a.Header.Get("ETag")
		if tag == "" || !strings.HasPrefix(a.Header.Get("Cache-Control"), "public, max-age=") {
			t.Errorf("%s: ETag %q, Cache-Control %q", path, tag, a.Header.Get("Cache-Control"))
		}
		for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if again := s.Send(s.Request("GET", path, "", "If-None-Match", match)).Is(304); again.Body != "" || again.Header.Get("ETag") != tag {
				t.Errorf("%s: a 304 with %q", path, again.Body)
			}
		}
		s.Send(s.Request("GET", path, "", "If-None-Match", `"other"`)).Is(200)
	}
	a := s.Send(s.Request("GET", "/.well-known/openid-configuration", ""))
	if a.Text("issuer") != "http://localhost:5000" || a.Text("jwks_uri") != "http://localhost:5000/.well-known/jwks.json" {
		t.Error(a.Body)
	}
	s.Send(s.Request("GET", "/.well-known/change-password", "")).Leads("/account/security")
}

func TestAssetsAreServedUnderTheirHashForAYear(t *testing.T) {
	s := testserver.New(t)
	page := s.Browser().Get("/login").Is(200).Body
	files := regexp.MustCompile(`/static/[\w./-]+`).FindAllString(page, -1)
	if len(files) == 0 {
		t.Fatal("the page has no assets")
	}
	for _, f := range files {
		a := s.Send(s.Request("GET", f, "")).Is(200)
		if !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %v", f, a.Header)
		}
	}
	for _, bad := range []string{"/static/", "/static/nothing.css", "/static/../go.mod", "/static/css/gate.css", "/static/%2e%2e/x"} {
		s.Send(s.Request("GET", bad, "")).Is(404)
	}
}

func TestHealthKeysAndTheFeedAnswerUnderAnyHost(t *testing.T) {
	s := testserver.New(t)
	for _, path := range []string{"/healthz", "/readyz", "/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		r := s.Request("GET", path, "")
		r.Host = "10.2.3.4:8080"
		s.Send(r).Is(200)
	}
	// The feed too: 401 is its own answer to who has no credential.
	for path, method := range map[string]string{"/api/v1/revocations": "GET", "/api/v1/revocations/stream": "GET", "/api/v1/revocations/ack": "POST"} {
		r := s.Request(method, path, "")
		r.Host = "gatehouse.internal:5000"
		s.Send(r).Is(401)
	}
	for _, path := range []string{"/", "/auth", "/api/v1/me", "/static/x", "/nothing"} {
		r := s.Request("GET", path, "")
		r.Host = "evil.example"
		s.Send(r).Is(421)
	}
}

func TestReadinessSaysWhichPartFails(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) {
		o.Parts = []handlers.Part{
			{Name: "database", Ready: func(context.Context) error { return errors.New("the secret cause") }},
			{Name: "revocations", Ready: func(context.Context) error { return nil }},
		}
	})
	a := s.Send(s.Request("GET", "/readyz", "")).Is(503).Has(`"database":"failed"`, `"revocations":"ok"`).Lacks("secret cause")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.Send(s.Request("GET", "/healthz", "")).Is(200)
}
