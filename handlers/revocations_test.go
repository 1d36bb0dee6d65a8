package handlers_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

// service is a program that follows the revocation log.
func service(t *testing.T, s *testserver.Server) *testserver.Program {
	t.Helper()
	raw, err := s.Tokens.Services.Add(t.Context(), "orders", tokens.Client{})
	if err != nil {
		t.Fatal(err)
	}
	p := s.Program()
	p.Access = raw.Reveal()
	return p
}

// claims reads a JWS without checking it.
func claims(t *testing.T, jws string) (c struct{ Cursor string }) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jws, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func cursor(t *testing.T, a *testserver.Answer) string {
	t.Helper()
	head, _, ok := strings.Cut(a.Body, "\n")
	if !ok {
		t.Fatalf("no line of its own:\n%q", a.Body)
	}
	return claims(t, head).Cursor
}

func ack(place string) map[string]any {
	return map[string]any{
		"instance": "01890a5d-ac96-774b-bcce-b302099a8057", "cursor": place, "nonce": "AAAAAAAAAAAAAAAAAAAAAA", "bound_ms": 30000, "mode": "refuse",
	}
}

func TestTheFeedAnswersAsTheDocumentSays(t *testing.T) {
	s := testserver.New(t)
	c, p := newChecker(t), service(t, s)
	first := c.check(p.Call("GET", "/api/v1/revocations", nil).Is(200))
	place := cursor(t, first)
	c.check(p.Raw("GET", "/api/v1/revocations", "", "If-None-Match", first.Header.Get("ETag")).Is(304))
	c.check(p.Call("POST", "/api/v1/revocations/ack", ack(place)).Is(200))
	c.check(p.Call("POST", "/api/v1/revocations/ack", ack("x")).Fails(410, "cursor_unknown"))
	c.check(p.Call("GET", "/api/v1/revocations/stream?cursor=x", nil).Fails(410, "cursor_unknown"))
	c.check(p.Raw("POST", "/api/v1/revocations/ack", `{"instance":"1"}`).Fails(400, "invalid_request"))
	c.check(p.Raw("POST", "/api/v1/revocations/ack", `{"instance":1}`).Fails(400, "invalid_request"))
	wrong := ack(place)
	wrong["bound_ms"] = int64(1) << 60
	c.check(p.Call("POST", "/api/v1/revocations/ack", wrong).Fails(400, "invalid_request"))
	keys := c.check(s.Program().Call("GET", "/api/v1/revocations/keys", nil).Is(200))
	if access := s.Program().Call("GET", "/.well-known/jwks.json", nil).Body; access == keys.Body {
		t.Error("the feed is signed by the key of access tokens")
	}
	c.check(p.Call("HEAD", "/api/v1/revocations/stream?cursor="+place, nil).Is(200))
}

func TestTheFeedIsForServicesAlone(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	person, program := s.Program().Login("mara", password), service(t, s)
	program.Call("GET", "/auth", nil).Is(401)
	place := cursor(t, program.Call("GET", "/api/v1/revocations", nil).Is(200))
	for _, p := range []*testserver.Program{s.Program(), person} {
		p.Call("GET", "/api/v1/revocations", nil).Fails(401, "invalid_token")
		p.Call("GET", "/api/v1/revocations/stream?cursor="+place, nil).Fails(401, "invalid_token")
		p.Call("POST", "/api/v1/revocations/ack", ack(place)).Fails(401, "invalid_token")
	}
	program.Call("POST", "/api/v1/revocations/ack", ack(place)).Is(200)
	if _, err := s.Tokens.Services.Remove(t.Context(), "orders", tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	program.Call("POST", "/api/v1/revocations/ack", ack(place)).Fails(401, "invalid_token")
}

// The limits of the server are those of short requests: a stream must outlive
// them, and end when the server stops.
func TestAStreamOutlivesTheLimitsOfAConnectionAndEndsWithTheServer(t *testing.T) {
	s := testserver.New(t)
	p := service(t, s)
	place := cursor(t, p.Call("GET", "/api/v1/revocations", nil).Is(200))
	const limit = 200 * time.Millisecond
	web := httptest.NewUnstartedServer(s.Handler)
	web.Config.ReadTimeout, web.Config.WriteTimeout = limit, limit
	web.Config.RegisterOnShutdown(s.StopFeeds)
	web.Start()
	defer web.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+"/api/v1/revocations/stream?cursor="+place, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "localhost:5000"
	r.Header.Set("Authorization", "Bearer "+p.Access)
	res, err := web.Client().Do(r)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %v and %v", res, err)
	}
	defer res.Body.Close()
	s.Follow()
	<-time.After(2 * limit)
	s.User(mara, "mara", password)
	s.Program().Login("mara", password).Call("POST", "/api/v1/logout", nil).Is(204)
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && lines.Text() != "event: batch" {
	}
	if lines.Text() != "event: batch" || !lines.Scan() || !strings.HasPrefix(lines.Text(), `data: {"seq":1,`) {
		t.Fatalf("got %q and %v", lines.Text(), lines.Err())
	}
	if err := web.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
	}
	if lines.Err() != nil {
		t.Errorf("the stream was cut: %v", lines.Err())
	}
}
