package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// personalToken makes a text of the right form.
func personalToken(seed string) string {
	text := PersonalPrefix + (strings.Repeat("0", personalBody) + seed)[len(seed):]
	return text + PersonalChecksum(text)
}

// teller is an issuer in memory.
type teller struct {
	mu    sync.Mutex
	p     *Principal
	err   error
	calls atomic.Int64
	wait  chan struct{} // not nil: answers come when it is closed
}

func (f *teller) Introspect(ctx context.Context, _ string) (*Principal, error) {
	f.calls.Add(1)
	if f.wait != nil {
		select {
		case <-f.wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	copied := *f.p
	return &copied, nil
}

func (f *teller) tell(p *Principal, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.p, f.err = p, err
}

// endings is what has ended, as tests say.
type endings struct{ fn func(*Principal) bool }

func (e *endings) Revoked(p *Principal) bool { return e.fn != nil && e.fn(p) }

func personalPrincipal() *Principal {
	return &Principal{Subject: "u", TokenID: "t", JTI: [16]byte{7}, ClientID: "gatehouse", Audience: []string{issuer}, Personal: true,
		Scope: []string{"app:orders"}, ExpiresAt: issuedAt.Add(time.Hour), Generation: 1, HasGeneration: true}
}

func personalVerifier(t testing.TB) (*Verifier, *clock, *teller, *endings) {
	f, e := &teller{p: personalPrincipal()}, &endings{}
	v, c := newVerifier(t, func(o *Options) { o.Personal, o.Revocations = f, e })
	return v, c, f, e
}

func TestThePersonalChecksumIsThatOfOtherImplementations(t *testing.T) {
	// CRC-32 (IEEE 802.3) of "123456789" is cbf43926, the check value of the
	// catalogue of parametrised CRC algorithms. In base 62 that is as below.
	if got := PersonalChecksum("123456789"); got != "3jZRME" {
		t.Errorf("got %s", got)
	}
	if got := PersonalChecksum(""); got != "000000" {
		t.Errorf("of nothing: got %s", got)
	}
}

func TestWithoutACredentialAPersonalTokenIsRefusedWithAReason(t *testing.T) {
	v, _ := newVerifier(t)
	if _, err := v.Verify(t.Context(), personalToken("a")); !errors.Is(err, ErrPersonalOff) || asError(err).Status() != 401 {
		t.Errorf("got %v", err)
	}
}

func TestACutOrMistypedPersonalTokenAsksNobody(t *testing.T) {
	v, _, f, _ := personalVerifier(t)
	good := personalToken("a")
	for _, bad := range []string{good[:55], good + "0", strings.ToUpper(good), good[:54] + "!!", good[:20] + "1" + good[21:], "gh_pat_"} {
		if _, err := v.Verify(t.Context(), bad); err == nil || errors.Is(err, ErrPersonalOff) || f.calls.Load() != 0 {
			t.Errorf("%q: got %v after %d calls", bad, err, f.calls.Load())
		}
	}
}

func TestAnAnswerIsBelievedForSecondsAndNoLonger(t *testing.T) {
	v, c, f, _ := personalVerifier(t)
	ask := func() error { _, err := v.Verify(t.Context(), personalToken("a")); return err }
	for range 10 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.calls.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	f.tell(nil, errors.New("no network"))
	c.Advance(goodFor - time.Second)
	if err := ask(); err != nil {
		t.Errorf("within its time: got %v", err)
	}
	c.Advance(time.Second)
	if err := ask(); !errors.Is(err, ErrPersonalUnavailable) || asError(err).Status() != http.StatusServiceUnavailable {
		t.Errorf("beyond it, without an answer: got %v", err)
	}
	f.tell(nil, ErrInactive)
	if err := ask(); !errors.Is(err, ErrInactive) {
		t.Errorf("got %v", err)
	}
	n := f.calls.Load()
	f.tell(personalPrincipal(), nil)
	if err := ask(); !errors.Is(err, ErrInactive) || f.calls.Load() != n {
		t.Errorf("a refusal is forgotten at once: %v", err)
	}
	c.Advance(badFor)
	if err := ask(); err != nil {
		t.Error(err)
	}
	c.Advance(-time.Minute) // a clock that is set back makes nothing younger
	n = f.calls.Load()
	if err := ask(); err != nil || f.calls.Load() != n+1 {
		t.Errorf("got %v after %d calls", err, f.calls.Load()-n)
	}
}

func TestWhatEndedIsRefusedAtTheNextRequest(t *testing.T) {
	v, _, f, e := personalVerifier(t)
	token := personalToken("a")
	ask := func() (*Principal, error) { return v.Verify(t.Context(), token) }
	if _, err := ask(); err != nil {
		t.Fatal(err)
	}
	// The token was ended: the issuer says so when it is asked again.
	e.fn = func(p *Principal) bool { return p.JTI == [16]byte{7} }
	f.tell(nil, ErrInactive)
	if _, err := ask(); !errors.Is(err, ErrInactive) {
		t.Errorf("got %v", err)
	}
	v, _, f, e = personalVerifier(t)
	if _, err := ask(); err != nil {
		t.Fatal(err)
	}
	// An issuer that lags behind the feed is not believed.
	e.fn = func(p *Principal) bool { return p.JTI == [16]byte{7} }
	if _, err := ask(); !errors.Is(err, ErrRevoked) {
		t.Errorf("an old answer: got %v", err)
	}
	// The feed knows it, and nobody can be asked: refused, not let in.
	f.tell(nil, errors.New("no network"))
	if _, err := ask(); err == nil {
		t.Error("let in")
	}
}

func TestARaisedEpochMeansToAskAgainAndTheRolesOfNow(t *testing.T) {
	v, _, f, e := personalVerifier(t)
	token := personalToken("a")
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	e.fn = func(p *Principal) bool { return p.Generation < 2 }
	next := personalPrincipal()
	next.Generation, next.Roles = 2, []string{"editor"}
	f.tell(next, nil)
	p, err := v.Verify(t.Context(), token)
	if err != nil || !p.HasRole("editor") || f.calls.Load() != 2 {
		t.Errorf("got %+v and %v after %d calls", p, err, f.calls.Load())
	}
}

func TestManyRequestsAtOnceAskOnce(t *testing.T) {
	v, _, f, _ := personalVerifier(t)
	f.wait = make(chan struct{})
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			if _, err := v.Verify(context.Background(), personalToken("a")); err != nil {
				t.Error(err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(gone, personalToken("a")); !errors.Is(err, ErrPersonalUnavailable) {
		t.Errorf("who went away got %v", err)
	}
	close(f.wait)
	group.Wait()
	if n := f.calls.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// A request that joined a question from before an ending must not be let in by
// its answer.
func TestAnAnswerThatIsOlderThanAnEndingLetsNobodyIn(t *testing.T) {
	v, _, f, e := personalVerifier(t)
	f.wait = make(chan struct{})
	token, results := personalToken("a"), make(chan error, 2)
	for range 2 {
		go func() { _, err := v.Verify(context.Background(), token); results <- err }()
	}
	for f.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	e.fn = func(p *Principal) bool { return p.JTI == [16]byte{7} }
	close(f.wait)
	for range 2 {
		if err := <-results; !errors.Is(err, ErrRevoked) {
			t.Errorf("got %v", err)
		}
	}
}

func TestGuessesTakeBoundedMemoryAndPushNobodyOut(t *testing.T) {
	v, _, f, _ := personalVerifier(t)
	good := personalToken("good")
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	f.tell(nil, ErrInactive)
	for i := range maxBad + 50 {
		_, _ = v.Verify(t.Context(), personalToken(fmt.Sprint("x", i)))
	}
	if n := len(v.personal.bad); n != maxBad {
		t.Errorf("%d refusals are kept", n)
	}
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Errorf("pushed out: %v", err)
	}
	f.tell(personalPrincipal(), nil)
	for i := range maxGood + 50 {
		_, _ = v.Verify(t.Context(), personalToken(fmt.Sprint("y", i)))
	}
	if n := len(v.personal.good); n != maxGood || len(v.personal.asking) != 0 {
		t.Errorf("%d answers are kept, %d questions", n, len(v.personal.asking))
	}
}

func TestAPersonalTokenOfAnotherAudienceOrPastItsEndIsRefused(t *testing.T) {
	v, c, f, _ := personalVerifier(t)
	other := personalPrincipal()
	other.Audience = []string{"https://elsewhere.example"}
	f.tell(other, nil)
	if _, err := v.Verify(t.Context(), personalToken("a")); !errors.Is(err, ErrAudience) {
		t.Errorf("got %v", err)
	}
	short := personalPrincipal()
	short.ExpiresAt = c.Now().Add(time.Second)
	f.tell(short, nil)
	if _, err := v.Verify(t.Context(), personalToken("b")); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Second)
	if _, err := v.Verify(t.Context(), personalToken("b")); !errors.Is(err, ErrExpired) {
		t.Errorf("got %v", err)
	}
}

const goodAnswer = `{"active":true,"iss":"https://login.example.com","sub":"01890a5d-ac96-774b-bcce-b302099a8057","aud":["https://login.example.com"],` +
	`"client_id":"gatehouse","token_type":"Bearer","scope":"app:orders profile:read","exp":1767323645,"iat":1767323045,` +
	`"jti":"01890a5d-ac96-774b-bcce-b302099a8059","roles":["admin"],"gen":3,"cgen":0}`

// introspecting is an introspector with an endpoint that answers as fn says.
func introspecting(t *testing.T, fn http.HandlerFunc) *introspector {
	web := httptest.NewServer(fn)
	t.Cleanup(web.Close)
	o := Options{Issuer: issuer, Service: credential, IntrospectionURL: web.URL + "/oauth/introspect"}
	return newIntrospector(o.withDefaults())
}

// RFC 7662, section 2.
func TestTheIssuerIsAskedWithTheCredentialOfTheService(t *testing.T) {
	token := personalToken("a")
	i := introspecting(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.Path != "/oauth/introspect" || r.Header.Get("Authorization") != "Bearer "+credential ||
			r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.PostFormValue("token") != token {
			t.Errorf("got %s %s %v", r.Method, r.URL, r.Header)
		}
		fmt.Fprint(w, goodAnswer)
	})
	p, err := i.Introspect(t.Context(), token)
	if err != nil || !p.Personal || p.Subject != "01890a5d-ac96-774b-bcce-b302099a8057" || p.Generation != 3 || !p.HasScope("app:orders") || p.JTI == [16]byte{} || !p.AuthTime.IsZero() {
		t.Errorf("got %+v and %v", p, err)
	}
}

func TestOnlyACompleteAnswerOfTheIssuerLetsIn(t *testing.T) {
	for what, c := range map[string]struct {
		status int
		body   string
		want   error // nil is a fault
	}{
		"inactive":              {200, `{"active":false}`, ErrInactive},
		"for our own API alone": {200, swap(t, goodAnswer, "app:orders ", ""), ErrNotForServices},
		"no scope":              {200, swap(t, goodAnswer, `"scope":"app:orders profile:read",`, ""), ErrNotForServices},
		"nothing":               {200, ``, nil},
		"an empty object":       {200, `{}`, nil},
		"active as a text":      {200, swap(t, goodAnswer, `"active":true`, `"active":"true"`), nil},
		"active twice":          {200, swap(t, goodAnswer, `"active":true`, `"active":false,"active":true`), nil},
		"a refresh token":       {200, swap(t, goodAnswer, `"Bearer"`, `"N_A"`), nil},
		"another issuer":        {200, swap(t, goodAnswer, `"iss":"https://login`, `"iss":"https://evil`), nil},
		"no epoch":              {200, swap(t, goodAnswer, `"gen":3,`, ""), nil},
		"no end":                {200, swap(t, goodAnswer, `"exp":1767323645,`, ""), nil},
		"no id":                 {200, swap(t, goodAnswer, `,"jti":"01890a5d-ac96-774b-bcce-b302099a8059"`, ""), nil},
		"an id that is none":    {200, swap(t, goodAnswer, `01890a5d-ac96-774b-bcce-b302099a8059`, "x"), nil},
		"more behind it":        {200, goodAnswer + "{}", nil},
		"a page":                {200, "<html>", nil},
		"another status":        {203, goodAnswer, nil},
		"not our credential":    {401, `{"error":"invalid_token"}`, nil},
		"busy":                  {503, goodAnswer, nil},
		"a redirect":            {307, "", nil},
		"ten gigabytes":         {200, strings.Repeat(" ", maxIntrospection) + goodAnswer, nil},
	} {
		i := introspecting(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		p, err := i.Introspect(t.Context(), personalToken("a"))
		var refusal *Error
		switch {
		case p != nil || err == nil:
			t.Errorf("%s: let in", what)
		case c.want != nil && !errors.Is(err, c.want), c.want == nil && errors.As(err, &refusal):
			t.Errorf("%s: got %v, want %v", what, err, c.want)
		}
	}
}

func TestAnIssuerThatIsAwayLetsNobodyIn(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	source := newIntrospector(Options{Issuer: issuer, Service: credential, IntrospectionURL: gone.URL})
	v, _ := newVerifier(t, func(o *Options) { o.Personal = source })
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+personalToken("a"))
	v.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	var answer body
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || answer.Reason != "introspection_unavailable" || strings.Contains(w.Body.String(), "gh_") {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestTheIntrospectionURLMustBeSafe(t *testing.T) {
	for _, bad := range []string{"http://login.example.com/oauth/introspect", "/oauth/introspect", "https://u:p@x.example/"} {
		if _, err := New(Options{Issuer: issuer, Keys: NewKeySet(), Service: credential, IntrospectionURL: bad}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func FuzzAnIntrospectionAnswerIsReadStrictly(f *testing.F) {
	for _, seed := range []string{goodAnswer, `{"active":false}`, `{"active":true}`, `{"active":null}`, ``, `[]`, `{"active":true,"exp":-1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, active, err := parseIntrospection(text)
		if err != nil {
			return
		}
		if active && (c.id == "" || c.subject == "" || !c.hasExpires || !c.hasGen) || !json.Valid([]byte(text)) {
			t.Errorf("%q is read as %+v", text, c)
		}
	})
}
