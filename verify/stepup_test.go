package verify

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// answered is what a guard says to a principal.
func answered(t *testing.T, guard func(http.Handler) http.Handler, p *Principal) (status int, challenge string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r.WithContext(NewContext(r.Context(), p)))
	return w.Code, w.Header().Get("WWW-Authenticate")
}

const askedFor = `Bearer error="insufficient_user_authentication", error_description="This needs a fresher or stronger proof of who you are."`

// RFC 9470, section 3, at each edge of age and level.
func TestAWeakOrOldProofIsAnsweredWithWhatIsWanted(t *testing.T) {
	v, clock := newVerifier(t)
	const limit = 5 * time.Minute
	both := askedFor + `, acr_values="aal2", max_age="300"`
	for _, c := range []struct {
		acr      string
		age      time.Duration
		personal bool
		aal      bool // passes RequireAAL(2)
		recent   bool // passes RequireRecent
	}{
		{"aal2", 0, false, true, true}, {"aal3", limit, false, true, true}, {"aal2", limit + time.Second, false, true, false},
		{"aal1", time.Second, false, false, true}, {"", 0, false, false, true}, {"aal22", 0, false, false, true}, {"aal9", 0, false, false, true},
		{"AAL2", 0, false, false, true}, {"mfa", 0, false, false, true}, {"aal2", 0, true, false, false},
		{"aal2", -leeway, false, true, true}, {"aal2", -leeway - time.Second, false, true, false},
	} {
		p := &Principal{ACR: c.acr, AuthTime: clock.Now().Add(-c.age), Personal: c.personal}
		if status, challenge := answered(t, RequireAAL(2), p); (status == 200) != c.aal || !c.aal && (status != 401 || challenge != askedFor+`, acr_values="aal2"`) {
			t.Errorf("%+v: RequireAAL answers %d %s", c, status, challenge)
		}
		if status, challenge := answered(t, v.RequireRecent(limit), p); (status == 200) != c.recent || !c.recent && challenge != askedFor+`, max_age="300"` {
			t.Errorf("%+v: RequireRecent answers %d %s", c, status, challenge)
		}
		if status, challenge := answered(t, v.RequireProof(2, limit), p); (status == 200) != (c.aal && c.recent) || status != 200 && challenge != both {
			t.Errorf("%+v: RequireProof answers %d %s", c, status, challenge)
		}
	}
	if status, _ := answered(t, v.RequireRecent(limit), &Principal{ACR: "aal2"}); status != 401 {
		t.Error("a token without auth_time is fresh")
	}
	if status, _ := answered(t, RequireAAL(1), &Principal{ACR: "aal1"}); status != 200 {
		t.Error("aal1 does not reach 1")
	}
}

func TestAProofIsAskedOfNobodyWithoutAToken(t *testing.T) {
	v, _ := newVerifier(t)
	for _, guard := range []func(http.Handler) http.Handler{RequireAAL(1), v.RequireRecent(time.Hour), v.RequireProof(1, time.Hour)} {
		w := httptest.NewRecorder()
		guard(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer realm="access"` {
			t.Errorf("%d %s", w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
}
