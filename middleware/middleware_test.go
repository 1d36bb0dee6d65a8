package middleware

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/internal/websession"
	"gatehouse/tokens"
)

func init() { gin.SetMode(gin.ReleaseMode) }

// words answers every key with itself, so that tests see which one was chosen.
func words(lang, key string, _ map[string]any) string {
	if strings.HasSuffix(key, ".title") || strings.HasPrefix(key, "error.") || strings.HasPrefix(key, "field.") {
		return lang + ":" + key
	}
	return ""
}

func newSet(t *testing.T, change func(*Deps)) (*Set, *bytes.Buffer) {
	t.Helper()
	log, clock := &bytes.Buffer{}, testkit.NewClock()
	db := testkit.DB(t)
	room := tokens.New(tokens.Deps{
		DB: db, Box: testkit.Box(t), Clock: clock.Now, Log: testkit.Log(t),
		Admit:  func(_ context.Context, _ tokens.Subject) tokens.Verdict { return tokens.Verdict{OK: true} },
		Config: tokens.Config{SessionIdleTTL: time.Hour, SessionAbsoluteTTL: 2 * time.Hour},
	})
	d := Deps{
		AppURL: "http://localhost:5000", Languages: []string{"en", "de"}, Clock: clock.Now,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Words: words,
		ErrorPage: func(_ *gin.Context, p Problem) ([]byte, error) {
			return fmt.Appendf(nil, "<h1>%d</h1><p>%s</p><code>%s</code>", p.Status, p.Text, p.RequestID), nil
		},
	}
	d.Sessions = websession.New(websession.Deps{
		Sessions: room.Sessions, MaxAge: time.Hour,
		Client: func(r *http.Request) tokens.Client { return tokens.Client{UserAgent: r.UserAgent()} },
	})
	if change != nil {
		change(&d)
	}
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

// serve puts one handler behind a chain and sends it a request.
func serve(s *Set, chain []gin.HandlerFunc, r *http.Request, h Handler) *httptest.ResponseRecorder {
	engine := gin.New()
	engine.Any("/*path", append(chain, Handle(h))...)
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, r)
	return w
}

func ask(method, target string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:5000"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func fine(c *gin.Context) error { c.String(http.StatusOK, "fine"); return nil }

func TestOnlyTheHopBeforeOurProxiesIsBelieved(t *testing.T) {
	s, _ := newSet(t, func(d *Deps) {
		d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	})
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "198.51.100.1", "203.0.113.9"},
		{"10.0.0.1:1", "", "10.0.0.1"},
		{"10.0.0.1:1", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1", "1.1.1.1, 198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1", "1.1.1.1, 198.51.100.1, 10.9.9.9", "198.51.100.1"},
		{"10.0.0.1:1", "10.1.1.1, 10.2.2.2", "10.1.1.1"},
		{"10.0.0.1:1", "1.1.1.1, nonsense", "10.0.0.1"},
		{"10.0.0.1:1", "1.1.1.1, nonsense, 10.3.3.3", "10.3.3.3"},
		{"10.0.0.1:1", "198.51.100.1:4711", "198.51.100.1"},
		{"[fd00::1]:1", "[2001:db8::1]:80", "2001:db8::1"},
		{"[fd00::1%eth0]:1", "::ffff:198.51.100.1", "198.51.100.1"},
		{"[::ffff:10.0.0.1]:1", "198.51.100.1", "198.51.100.1"},
		{"@", "198.51.100.1", "invalid IP"},
		// What a stranger writes stands left of what our proxy adds.
		{"10.0.0.1:1", "10.0.0.1, 198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1", "127.0.0.1,198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1", ", , ,198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1", strings.Repeat("1.1.1.1,", 3000) + "198.51.100.1", "198.51.100.1"},
		// A chain of ours that is longer than anybody has ends at one of ours.
		{"10.0.0.1:1", "198.51.100.1" + strings.Repeat(",10.0.0.2", 40), "10.0.0.2"},
		// Zones and ports name the same address, however they are written.
		{"10.0.0.1:1", "fe80::1%eth0", "fe80::1"}, {"10.0.0.1:1", "fe80::1%" + strings.Repeat("x", 500), "fe80::1"},
		{"10.0.0.1:1", "[fe80::1%25eth0]:443", "fe80::1"}, {"10.0.0.1:1", "[2001:db8::1]", "2001:db8::1"},
		{"10.0.0.1:1", "[::ffff:198.51.100.1]:443", "198.51.100.1"}, {"10.0.0.1:1", "2001:DB8:0:0::1", "2001:db8::1"},
		// What is no address is nobody's: the last one that was vouched for counts.
		{"10.0.0.1:1", "198.51.100.1,", "10.0.0.1"}, {"10.0.0.1:1", "unknown", "10.0.0.1"}, {"10.0.0.1:1", "_hidden", "10.0.0.1"},
		{"10.0.0.1:1", "for=198.51.100.1", "10.0.0.1"}, {"10.0.0.1:1", "198.51.100.1:port", "10.0.0.1"}, {"10.0.0.1:1", "198.51.100.1:99999", "10.0.0.1"},
		{"10.0.0.1:1", "0198.51.100.1", "10.0.0.1"}, {"10.0.0.1:1", "0xc6336401", "10.0.0.1"}, {"10.0.0.1:1", "3325256705", "10.0.0.1"},
		{"10.0.0.1:1", "198.51.100", "10.0.0.1"}, {"10.0.0.1:1", "198.51.100.1/32", "10.0.0.1"}, {"10.0.0.1:1", "[198.51.100.1]", "10.0.0.1"},
		{"10.0.0.1:1", "[2001:db8::1", "10.0.0.1"}, {"10.0.0.1:1", "]2001:db8::1[", "10.0.0.1"}, {"10.0.0.1:1", "\"198.51.100.1\"", "10.0.0.1"},
	} {
		r := ask("GET", "/")
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		r.Header.Set("X-Real-Ip", "6.6.6.6")
		if got := s.ClientIP(r).String(); got != c.want {
			t.Errorf("peer %s, forwarded %q: got %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

func TestForwardedLinesAreReadAsOneList(t *testing.T) {
	s, _ := newSet(t, func(d *Deps) { d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	r := ask("GET", "/", "X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "198.51.100.7, 10.0.0.3")
	r.RemoteAddr = "10.0.0.1:1"
	if got := s.ClientIP(r).String(); got != "198.51.100.7" {
		t.Errorf("got %s", got)
	}
}

func TestAnUnknownHostIsMisdirected(t *testing.T) {
	for app, hosts := range map[string]map[string]int{
		"http://localhost:5000": {
			"localhost:5000": 200, "LOCALHOST:5000": 200, "localhost.:5000": 200, "127.0.0.1:5000": 307, "[::1]:5000": 307,
			"localhost": 421, "localhost:5001": 421, "evil.example": 421, "evil.example:5000": 421, "localhost.evil.example:5000": 421, "": 421,
		},
		"https://gate.example": {
			"gate.example": 200, "gate.example:443": 200, "GATE.example": 200, "gate.example:80": 421,
			"localhost": 421, "127.0.0.1": 421, "evil.example": 421, "gate.example.evil.example": 421,
		},
		"https://gate.example:8443": {"gate.example:8443": 200, "gate.example": 421},
	} {
		s, _ := newSet(t, func(d *Deps) { d.AppURL = app })
		for host, want := range hosts {
			r := ask("GET", "/account?x=1")
			r.Host = host
			if got := serve(s, s.Page(), r, fine); got.Code != want {
				t.Errorf("%s, Host %q: got %d, want %d", app, host, got.Code, want)
			}
			r = ask("GET", "/healthz")
			r.Host = host
			if got := serve(s, s.Public(), r, fine); got.Code != 200 {
				t.Errorf("%s, Host %q: the public routes answered %d", app, host, got.Code)
			}
		}
	}
}

func TestALoopbackAliasIsSentToTheOneAddressForPagesOnly(t *testing.T) {
	s, _ := newSet(t, nil)
	r := ask("GET", "/account?x=1")
	r.Host = "127.0.0.1:5000"
	if got := serve(s, s.Page(), r, fine); got.Code != 307 || got.Header().Get("Location") != "http://localhost:5000/account?x=1" {
		t.Errorf("page: got %d to %q", got.Code, got.Header().Get("Location"))
	}
	for _, method := range []string{"GET", "POST"} {
		r = ask(method, "/api/v1/me")
		r.Host = "127.0.0.1:5000"
		if got := serve(s, s.API(), r, fine); got.Code != 200 {
			t.Errorf("%s of the API: got %d", method, got.Code)
		}
	}
	r = ask("POST", "/login")
	r.Host = "127.0.0.1:5000"
	if got := serve(s, s.Either(), r, fine); got.Code != 200 {
		t.Errorf("POST of a page: got %d", got.Code)
	}
}

func TestAPanicIsOneAnswerWithTheCauseInTheLog(t *testing.T) {
	s, log := newSet(t, nil)
	got := serve(s, s.API(), ask("GET", "/x"), func(*gin.Context) error { panic("the secret cause") })
	var body map[string]any
	if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil || got.Code != 500 || body["error"] != "server_error" {
		t.Fatalf("got %d %s", got.Code, got.Body)
	}
	if strings.Contains(got.Body.String(), "secret cause") {
		t.Error("the cause is in the answer")
	}
	id, _ := body["request_id"].(string)
	if id == "" || !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "the secret cause") {
		t.Errorf("the log lacks the request id or the cause: %s", log)
	}
}

func TestAPanicAfterTheAnswerBeganCutsTheConnection(t *testing.T) {
	s, _ := newSet(t, nil)
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("got %v, want ErrAbortHandler", v)
		}
	}()
	serve(s, s.API(), ask("GET", "/x"), func(c *gin.Context) error { c.String(200, "half"); panic("late") })
}

func TestEachKindHasItsStatusAndCode(t *testing.T) {
	s, _ := newSet(t, nil)
	for _, c := range []struct {
		err    error
		status int
		code   string
		reason any
	}{
		{apperr.New(apperr.Malformed, "json_syntax"), 400, "invalid_request", "json_syntax"},
		{apperr.InvalidField("email", "required"), 422, "validation_failed", nil},
		{apperr.New(apperr.Unauthenticated, "invalid_credentials"), 401, "invalid_credentials", nil},
		{apperr.New(apperr.Unauthenticated, "expired"), 401, "invalid_token", "expired"},
		{WithCode("invalid_grant", apperr.New(apperr.Unauthenticated, "refresh_reused")), 401, "invalid_grant", "refresh_reused"},
		{WithCode("invalid_grant", apperr.NotNow(time.Second, errors.New("disk"))), 503, "unavailable", nil},
		{apperr.New(apperr.Forbidden, "cross_origin"), 403, "forbidden", "cross_origin"},
		{apperr.New(apperr.Forbidden, "step_up_required"), 403, "step_up_required", nil},
		{apperr.New(apperr.Forbidden, "email_not_verified"), 403, "email_not_verified", nil},
		{apperr.New(apperr.NotFound, "not_found"), 404, "not_found", nil},
		{apperr.New(apperr.Method, "method_not_allowed"), 405, "method_not_allowed", nil},
		{apperr.New(apperr.Conflict, "username_taken"), 409, "conflict", "username_taken"},
		{apperr.New(apperr.Expired, "gone"), 410, "expired", "gone"},
		{apperr.New(apperr.TooLarge, "body_too_large"), 413, "too_large", "body_too_large"},
		{apperr.New(apperr.MediaType, "json_only"), 415, "unsupported_media_type", "json_only"},
		{apperr.New(apperr.Misdirected, "unknown_host"), 421, "misdirected_request", "unknown_host"},
		{apperr.Throttle("too_many_attempts", 90*time.Second), 429, "too_many_attempts", nil},
		{apperr.NotNow(0, errors.New("disk")), 503, "unavailable", nil},
		{apperr.New(apperr.Unavailable, "busy"), 503, "unavailable", "busy"},
		{errors.New("a bug"), 500, "server_error", "internal"},
	} {
		got := serve(s, s.API(), ask("GET", "/x"), func(*gin.Context) error { return c.err })
		var body map[string]any
		if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil {
			t.Fatalf("%v: %v", c.err, err)
		}
		if got.Code != c.status || body["error"] != c.code || body["reason"] != c.reason || body["request_id"] == "" || body["error_description"] == "" {
			t.Errorf("%v: got %d %s", c.err, got.Code, got.Body)
		}
		if (got.Code == 401) != (got.Header().Get("WWW-Authenticate") != "") && got.Code != 403 {
			t.Errorf("%v: WWW-Authenticate is %q", c.err, got.Header().Get("WWW-Authenticate"))
		}
		if wait := got.Header().Get("Retry-After"); (got.Code == 429 || got.Code == 503) != (wait != "") {
			t.Errorf("%v: Retry-After is %q", c.err, wait)
		}
		if closed := got.Header().Get("Connection") == "close"; closed != (c.reason == "busy") {
			t.Errorf("%v: the connection is closed: %v", c.err, closed)
		}
		page := serve(s, s.Page(), ask("GET", "/x"), func(*gin.Context) error { return c.err })
		if page.Code != c.status || !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%v: the page is %d %s", c.err, page.Code, page.Header().Get("Content-Type"))
		}
	}
}

func TestTheStepUpChallengeNamesTheAge(t *testing.T) {
	s, _ := newSet(t, nil)
	got := serve(s, s.API(), ask("GET", "/x"), func(*gin.Context) error { return apperr.New(apperr.Forbidden, "step_up_required") })
	h := got.Header().Get("WWW-Authenticate")
	if !strings.Contains(h, `error="insufficient_user_authentication"`) || !strings.Contains(h, `max_age="300"`) {
		t.Errorf("got %q", h) // RFC 9470, section 3
	}
}

func TestAFormAnswersJSONOnlyWhenAsked(t *testing.T) {
	s, _ := newSet(t, nil)
	for accept, want := range map[string]string{
		"": "text/html", "application/json": "application/json", "*/*": "text/html",
		"text/html,application/xhtml+xml,application/json;q=0.9": "text/html", "application/json, text/plain, */*": "application/json",
	} {
		got := serve(s, s.Either(), ask("POST", "/login", "Accept", accept), func(*gin.Context) error {
			return apperr.New(apperr.Unauthenticated, "invalid_credentials")
		})
		if !strings.HasPrefix(got.Header().Get("Content-Type"), want) {
			t.Errorf("Accept %q: got %s", accept, got.Header().Get("Content-Type"))
		}
	}
}

func TestAWriteFromAnotherSiteIsRefused(t *testing.T) {
	s, _ := newSet(t, nil)
	for _, c := range []struct {
		header []string
		want   int
	}{
		{nil, 200},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Sec-Fetch-Site", "none"}, 200},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "http://localhost:5000"}, 200},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "http://localhost:5001"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "https://localhost:5000"}, 403},
	} {
		got := serve(s, s.Page(), ask("POST", "/login", c.header...), fine)
		if got.Code != c.want {
			t.Errorf("%v: got %d, want %d", c.header, got.Code, c.want)
		}
		if get := serve(s, s.Page(), ask("GET", "/login", c.header...), fine); get.Code != 200 {
			t.Errorf("%v: a GET got %d", c.header, get.Code)
		}
	}
}

func TestATooLongBodyIsRefusedBeforeAndWhileItIsRead(t *testing.T) {
	s, _ := newSet(t, nil)
	read := func(c *gin.Context) error { return DecodeJSON(c.Request, &sample{}) }
	for _, declared := range []bool{true, false} {
		r := httptest.NewRequest("POST", "/x", strings.NewReader(`{"email":"`+strings.Repeat("a", AuthBody)+`"}`))
		r.Host = "localhost:5000"
		r.Header.Set("Content-Type", "application/json")
		if !declared {
			r.ContentLength = -1
		}
		if got := serve(s, s.API(), r, read); got.Code != 413 {
			t.Errorf("declared %v: got %d %s", declared, got.Code, got.Body)
		}
	}
}

func TestTheLanguageIsTheChosenOneElseTheBrowsers(t *testing.T) {
	s, _ := newSet(t, nil)
	lang := func(c *gin.Context) error { c.String(200, s.Lang(c)); return nil }
	for _, c := range []struct{ target, accept, cookie, want string }{
		{"/", "", "", "en"}, {"/", "de-AT,de;q=0.9,en;q=0.5", "", "de"}, {"/", "fr", "", "en"}, {"/", "fr, de;q=0.1", "", "de"},
		{"/?lang=de", "en", "", "de"}, {"/?lang=xx", "de", "", "de"}, {"/", "en", "lang=de", "de"}, {"/?lang=en", "de", "lang=de", "en"},
		{"/", "de", "lang=<script>", "de"}, {"/", strings.Repeat("de,", 200), "", "en"}, {"/", ";;;=\x80", "", "en"},
	} {
		r := ask("GET", c.target, "Accept-Language", c.accept, "Cookie", c.cookie)
		got := serve(s, s.Page(), r, lang)
		if got.Body.String() != c.want {
			t.Errorf("%+v: got %s", c, got.Body)
		}
		if set := got.Header().Get("Set-Cookie"); strings.Contains(c.target, "lang="+c.want) != strings.HasPrefix(set, "lang="+c.want) {
			t.Errorf("%+v: Set-Cookie is %q", c, set)
		}
	}
}

func TestARequestIdFromOutsideIsBelievedFromOurProxiesOnly(t *testing.T) {
	const given = "01890a5d-ac96-774b-bcce-b302099a8057"
	s, _ := newSet(t, func(d *Deps) { d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	for _, c := range []struct {
		peer, sent string
		kept       bool
	}{{"10.0.0.1:1", given, true}, {"203.0.113.9:1", given, false}, {"10.0.0.1:1", "x\nforged line", false}, {"10.0.0.1:1", "{" + given[1:], false}} {
		r := ask("GET", "/", "X-Request-Id", c.sent)
		r.RemoteAddr = c.peer
		got := serve(s, s.Page(), r, func(c *gin.Context) error { return errors.New("x") }).Header().Get("X-Request-Id")
		if (got == c.sent) != c.kept || len(got) != 36 {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestADevInboxIsForThisMachineOnly(t *testing.T) {
	for _, c := range []struct {
		on     bool
		peer   string
		header []string
		want   int
	}{
		{true, "127.0.0.1:9", nil, 200}, {true, "[::1]:9", nil, 200}, {false, "127.0.0.1:9", nil, 404}, {true, "192.168.1.9:9", nil, 404},
		{true, "127.0.0.1:9", []string{"X-Forwarded-For", "127.0.0.1"}, 404}, {true, "127.0.0.1:9", []string{"Forwarded", "for=127.0.0.1"}, 404},
		{true, "127.0.0.1:9", []string{"X-Forwarded-Proto", "http"}, 404}, {true, "127.0.0.1:9", []string{"Via", "1.1 x"}, 404},
		{true, "127.0.0.1:9", []string{"CF-Connecting-IP", "192.0.2.1"}, 404}, {true, "127.0.0.1:9", []string{"True-Client-IP", "192.0.2.1"}, 404},
		{true, "127.0.0.1:9", []string{"X-Client-IP", "192.0.2.1"}, 404}, {true, "127.0.0.1:9", []string{"X-Original-Host", "a.example"}, 404},
		{true, "127.0.0.1:9", []string{"CDN-Loop", "x"}, 404}, {true, "127.0.0.1:9", []string{"Sec-Fetch-Site", "none"}, 200},
	} {
		s, _ := newSet(t, func(d *Deps) { d.DevInbox = c.on })
		r := ask("GET", "/dev/inbox", c.header...)
		r.RemoteAddr = c.peer
		if got := serve(s, append(s.Page(), s.RequireDevInbox), r, fine); got.Code != c.want {
			t.Errorf("%+v: got %d", c, got.Code)
		}
	}
}

func TestHTTPSAddsTheTransportPolicyAndTheHostCookie(t *testing.T) {
	s, _ := newSet(t, func(d *Deps) { d.AppURL = "https://gate.example" })
	for name, chain := range map[string][]gin.HandlerFunc{"page": s.Page(), "api": s.API(), "lean": s.Lean(), "public": s.Public(), "asset": s.Asset()} {
		r := ask("GET", "/")
		r.Host = "gate.example"
		got := serve(s, chain, r, fine).Header()
		if got.Get("Strict-Transport-Security") != transportPolicy || got.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(got.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: got %v", name, got)
		}
	}
	plain, _ := newSet(t, nil)
	if got := serve(plain, plain.Page(), ask("GET", "/"), fine).Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("http: got %q", got)
	}
}

func TestAHeaderThatIsSharedBetweenRequestsIsNeverChanged(t *testing.T) {
	s, _ := newSet(t, nil)
	chain := s.Page()
	first := serve(s, chain, ask("GET", "/"), func(c *gin.Context) error { c.Writer.Header().Add("Vary", "Accept"); return fine(c) })
	second := serve(s, chain, ask("GET", "/"), fine)
	if len(first.Header()["Vary"]) != 2 || len(second.Header()["Vary"]) != 1 {
		t.Errorf("got %v and %v", first.Header()["Vary"], second.Header()["Vary"])
	}
}
