package ginverify_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/verify"
	"gatehouse/verify/ginverify"
)

// newVerifier reads the fixed keys from a server on loopback.
func newVerifier(t *testing.T) *verify.Verifier {
	t.Helper()
	set, err := os.ReadFile("../testdata/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	t.Cleanup(srv.Close)
	v, err := verify.New(verify.Options{Issuer: "https://login.example.com", JWKSURL: srv.URL,
		Clock: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func golden(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	if err := json.Unmarshal(text, &tokens); err != nil {
		t.Fatal(err)
	}
	return tokens["ES256"]
}

func ask(t *testing.T, token string, guards ...gin.HandlerFunc) (*httptest.ResponseRecorder, map[string]string) {
	t.Helper()
	gin.SetMode(gin.TestMode)
	e := gin.New()
	e.GET("/", append(guards, func(c *gin.Context) {
		sub := "nobody"
		if p := ginverify.Principal(c); p != nil {
			sub = p.Subject
		}
		c.JSON(200, gin.H{"sub": sub})
	})...)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w, body := httptest.NewRecorder(), map[string]string{}
	e.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w, body
}

func TestAGinRouteIsGuardedLikeAnyOther(t *testing.T) {
	v := newVerifier(t)
	bearer := ginverify.Bearer(v)
	for name, c := range map[string]struct {
		token  string
		guards []gin.HandlerFunc
		status int
		field  string
		want   string
	}{
		"a good token":       {golden(t), []gin.HandlerFunc{bearer}, 200, "sub", "01890a5d-ac96-774b-bcce-b302099a8057"},
		"no token":           {"", []gin.HandlerFunc{bearer}, 401, "reason", "no_token"},
		"a bad token":        {golden(t) + "AAAA", []gin.HandlerFunc{bearer}, 401, "error", "invalid_token"},
		"the scope":          {golden(t), []gin.HandlerFunc{bearer, ginverify.RequireScope("profile")}, 200, "sub", "01890a5d-ac96-774b-bcce-b302099a8057"},
		"another scope":      {golden(t), []gin.HandlerFunc{bearer, ginverify.RequireScope("orders:write")}, 403, "error", "insufficient_scope"},
		"the role":           {golden(t), []gin.HandlerFunc{bearer, ginverify.RequireRole("admin", "owner")}, 200, "sub", "01890a5d-ac96-774b-bcce-b302099a8057"},
		"another role":       {golden(t), []gin.HandlerFunc{bearer, ginverify.RequireRole("owner")}, 403, "error", "forbidden"},
		"a guard on its own": {golden(t), []gin.HandlerFunc{ginverify.RequireRole("admin")}, 401, "reason", "no_token"},
		"no guard":           {golden(t), nil, 200, "sub", "nobody"},
	} {
		w, body := ask(t, c.token, c.guards...)
		if w.Code != c.status || body[c.field] != c.want {
			t.Errorf("%s: %d %v", name, w.Code, body)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (c.status == 401) != (challenge != "" && c.status != 403) {
			t.Errorf("%s: challenge %q", name, challenge)
		}
	}
}

// The golden token says aal1, and its auth_time is a second ago.
func TestAProofIsAskedForByLevelAndAge(t *testing.T) {
	v := newVerifier(t)
	for want, guard := range map[string]gin.HandlerFunc{
		"":                            ginverify.RequireAAL(1),
		"acr_values=\"aal2\"":         ginverify.RequireAAL(2),
		"max_age=\"300\"":             ginverify.RequireProof(v, 2, 5*time.Minute),
		"insufficient_user":           ginverify.RequireProof(v, 2, time.Hour),
		`error="insufficient_user_au`: ginverify.RequireRecent(v, time.Nanosecond),
	} {
		w, _ := ask(t, golden(t), ginverify.Bearer(v), guard)
		if want == "" && w.Code != 200 || want != "" && (w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), want)) {
			t.Errorf("%s: %d %v", want, w.Code, w.Header())
		}
	}
}
