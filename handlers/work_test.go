package handlers_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testserver"
	"gatehouse/internal/work"
)

// pressed is a server with so many strangers in its queue of hashes.
func pressed(t *testing.T, waiting *int) *testserver.Server {
	s := testserver.New(t, func(o *testserver.Options) { o.EmailCode, o.Pressure = true, func() int { return *waiting } })
	s.User(mara, "mara", password)
	return s
}

// challengeIn is the challenge of a page, nil without one.
func challengeIn(a *testserver.Answer) *work.Challenge {
	m := regexp.MustCompile(`data-challenge="([^"]+)" data-bits="(\d+)"`).FindStringSubmatch(a.Body)
	if m == nil {
		return nil
	}
	bits, _ := strconv.Atoi(m[2])
	return &work.Challenge{Text: m[1], Bits: bits}
}

func ticketIn(a *testserver.Answer) string {
	m := regexp.MustCompile(`name="work" value="([^"]*)"`).FindStringSubmatch(a.Body)
	if m == nil {
		return ""
	}
	return m[1]
}

// paidForms are the forms of strangers that have a price, and a call of each.
var paidForms = map[string][]string{
	"/login":           {"username", "mara", "password", password},
	"/register":        {"email", "new@example.com", "password", "a long passphrase of mine"},
	"/forgot":          {"username", "mara"},
	"/login/emailcode": {"username", "mara"},
}

func TestWithoutPressureNoFormAndNoCallAsksForWork(t *testing.T) {
	waiting := 32
	s := pressed(t, &waiting)
	for path, fields := range paidForms {
		b := s.Browser()
		page := b.Get(path)
		if challengeIn(page) != nil || strings.Contains(page.Body, `class="work"`) || b.Cookie("gatehouse_work") != "" {
			t.Errorf("%s: the page is not as it was", path)
		}
		if a := b.Post(path, fields...); a.Status != http.StatusSeeOther {
			t.Errorf("%s: got %d", path, a.Status)
		}
	}
	s.Program().Login("mara", password)
}

func TestUnderPressureEveryFormOfAStrangerIsPaidForOnce(t *testing.T) {
	waiting := 33
	s := pressed(t, &waiting)
	for path, fields := range paidForms {
		b := s.Browser()
		c := challengeIn(b.Get(path))
		if c == nil || b.Cookie("gatehouse_work") == "" {
			t.Fatalf("%s asks for no work", path)
		}
		answer := work.Solve(*c)
		paid := append([]string{"work", answer}, fields...)
		other := s.Browser()
		other.Get(path)
		if a := other.Post(path, paid...); a.Status != http.StatusTooManyRequests {
			t.Errorf("%s: another browser used the work: %d", path, a.Status)
		}
		if a := b.Post(path, paid...); a.Status != http.StatusSeeOther {
			t.Errorf("%s: paid, and got %d\n%.300s", path, a.Status, a.Body)
		}
		replay := s.Browser()
		replay.Header.Set("Cookie", "gatehouse_work="+b.Cookie("gatehouse_work"))
		if a := replay.Post(path, paid...); a.Status != http.StatusTooManyRequests || challengeIn(a) == nil {
			t.Errorf("%s: paid twice with one work: %d", path, a.Status)
		}
	}
}

// A page from before the rush is shown again with what was typed and with a
// challenge, and has another one after a wrong password.
func TestAFormFromBeforeTheRushIsAskedThen(t *testing.T) {
	waiting := 0
	s := pressed(t, &waiting)
	b := s.Browser()
	b.Get("/login")
	waiting = 64
	a := b.Post("/login", "username", "mara", "password", password).Is(http.StatusTooManyRequests)
	saysWhen(t, a)
	c := challengeIn(a)
	if c == nil || !strings.Contains(a.Body, `value="mara"`) || !strings.Contains(a.Body, "A little work by your device comes first") {
		t.Fatalf("the page is\n%s", a.Body)
	}
	if c.Bits != 22 {
		t.Errorf("a full queue asks for %d bits", c.Bits)
	}
	waiting = 33
	again := b.Post("/login", "username", "mara", "password", password).Is(http.StatusTooManyRequests)
	wrong := b.Post("/login", "username", "mara", "password", "wrong wrong", "work", work.Solve(*challengeIn(again))).Is(http.StatusUnauthorized)
	next := challengeIn(wrong)
	if next == nil || next.Text == challengeIn(again).Text {
		t.Fatal("the page after a wrong password has no challenge of its own")
	}
	b.Post("/login", "username", "mara", "password", password, "work", work.Solve(*next)).Is(http.StatusSeeOther)
}

func TestABrowserThatIsKnownForTheAccountIsNeverAsked(t *testing.T) {
	waiting := 0
	s := pressed(t, &waiting)
	s.User("ben@example.com", "ben", password)
	b := s.Browser()
	b.Post("/login", "username", "mara", "password", password).Is(http.StatusSeeOther)
	b.Post("/logout")
	waiting = 64
	if challengeIn(b.Get("/login")) != nil {
		t.Error("a browser that is known has a challenge in its form")
	}
	b.Post("/forgot", "username", "mara").Is(http.StatusSeeOther)
	// Known for one account is not known for another.
	a := b.Post("/login", "username", "ben", "password", password).Is(http.StatusTooManyRequests)
	if challengeIn(a) == nil {
		t.Error("no challenge")
	}
	b.Post("/login", "username", "mara", "password", password).Is(http.StatusSeeOther)
}

func TestWhoHasAnAccountIsAskedLikeWhoHasNone(t *testing.T) {
	waiting := 40
	s := pressed(t, &waiting)
	answers := map[string]bool{}
	for _, name := range []string{"mara", "nobody", mara, "nobody@example.com"} {
		a := s.Program().Post("/api/v1/login", "username", name, "password", "wrong wrong").Is(http.StatusTooManyRequests)
		body := regexp.MustCompile(`"challenge":"[^"]*"|"request_id":"[^"]*"`).ReplaceAllString(a.Body, "")
		answers[body+a.Header.Get("Retry-After")] = true
		paid := s.Program().Raw("POST", "/api/v1/login", `{"username":"`+name+`","password":"wrong wrong"}`, "Gatehouse-Proof-Of-Work", solved(t, a))
		if paid.Status != http.StatusUnauthorized || paid.Text("error") != "invalid_credentials" {
			t.Errorf("%s: %d %s", name, paid.Status, paid.Body)
		}
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
}

// solved is the answer to the challenge of a JSON refusal.
func solved(t *testing.T, a *testserver.Answer) string {
	t.Helper()
	var body struct {
		Error string
		Work  struct {
			Algorithm, Challenge string
			Bits                 int
			ExpiresIn            int `json:"expires_in"`
		} `json:"proof_of_work"`
	}
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		t.Fatal(err)
	}
	if body.Error != "proof_of_work_required" || body.Work.Algorithm != "SHA-256" || body.Work.ExpiresIn != 120 || body.Work.Bits < 18 {
		t.Fatalf("the refusal is %s", a.Body)
	}
	return work.Solve(work.Challenge{Text: body.Work.Challenge, Bits: body.Work.Bits})
}

func TestAProgramPaysInAHeaderForItsNameItsCallAndItsNetwork(t *testing.T) {
	waiting := 33
	s := pressed(t, &waiting)
	login := func(name, header string) *testserver.Answer {
		return s.Program().Raw("POST", "/api/v1/login", `{"username":"`+name+`","password":"`+password+`"}`, "Gatehouse-Proof-Of-Work", header)
	}
	answer := solved(t, login("mara", "").Is(http.StatusTooManyRequests))
	login("ben", answer).Is(http.StatusTooManyRequests)
	s.Program().Raw("POST", "/api/v1/password/forgot", `{"email":"`+mara+`"}`, "Gatehouse-Proof-Of-Work", answer).Is(http.StatusTooManyRequests)
	login("mara", answer).Is(http.StatusOK)
	login("mara", answer).Is(http.StatusTooManyRequests)
	forgot := s.Program().Post("/api/v1/password/forgot", "email", mara).Is(http.StatusTooManyRequests)
	s.Program().Raw("POST", "/api/v1/password/forgot", `{"email":"`+mara+`"}`, "Gatehouse-Proof-Of-Work", solved(t, forgot)).Is(http.StatusAccepted)
	signup := `{"email":"new@example.com","password":"a long passphrase of mine"}`
	refused := s.Program().Raw("POST", "/api/v1/register", signup).Is(http.StatusTooManyRequests)
	s.Program().Raw("POST", "/api/v1/register", signup, "Gatehouse-Proof-Of-Work", solved(t, refused)).Is(http.StatusAccepted)
}

// A limit is for what was done: who is asked for work has not had theirs.
func TestACallThatIsAskedForWorkTakesNothingFromALimit(t *testing.T) {
	s := testserver.New(t, func(o *testserver.Options) {
		o.Pressure = func() int { return 33 }
		o.Limits = map[ratelimit.Name]ratelimit.Rule{}
		for _, name := range []ratelimit.Name{ratelimit.Login, ratelimit.Signup, ratelimit.Forgot} {
			o.Limits[name] = ratelimit.Rule{N: 1, Per: time.Hour}
		}
	})
	s.User(mara, "mara", password)
	for path, body := range map[string]string{
		"/api/v1/login": `{"username":"mara","password":"` + password + `"}`, "/api/v1/password/forgot": `{"email":"` + mara + `"}`,
		"/api/v1/register": `{"email":"new@example.com","password":"a long passphrase of mine"}`,
	} {
		s.Program().Raw("POST", path, body)
		a := s.Program().Raw("POST", path, body).Is(http.StatusTooManyRequests)
		if paid := s.Program().Raw("POST", path, body, "Gatehouse-Proof-Of-Work", solved(t, a)); paid.Status >= 300 {
			t.Errorf("%s: got %d\n%s", path, paid.Status, paid.Body)
		}
		s.Program().Raw("POST", path, body).Fails(http.StatusTooManyRequests, "too_many_attempts")
	}
}

func TestAFormWithoutScriptIsToldHowLongToWait(t *testing.T) {
	waiting := 64
	s := pressed(t, &waiting)
	b := s.Browser()
	page := b.Get("/login")
	if !strings.Contains(page.Body, "Without JavaScript you wait instead") {
		t.Fatalf("the page is\n%s", page.Body)
	}
	a := b.Post("/login", "username", "mara", "password", password, "work", "").Is(http.StatusTooManyRequests)
	saysWhen(t, a)
	ticket, wait := ticketIn(a), a.Header.Get("Retry-After")
	if ticket == "" || !strings.Contains(a.Body, "Wait "+wait+" s") {
		t.Fatalf("told %s with %q\n%s", wait, ticket, a.Body)
	}
	early := b.Post("/login", "username", "mara", "password", password, "work", ticket).Is(http.StatusTooManyRequests)
	if ticketIn(early) != ticket {
		t.Error("too early, and the ticket is gone")
	}
	s.Clock.Advance(time.Minute)
	b.Post("/login", "username", "mara", "password", password, "work", ticket).Is(http.StatusSeeOther)
}

func TestAWorkerMayRunAndNothingElseIsNew(t *testing.T) {
	waiting := 64
	page := pressed(t, &waiting).Browser().Get("/login")
	if got := page.Header.Get("Content-Security-Policy"); !strings.Contains(got, "worker-src 'self';") || strings.Contains(got, "unsafe") || strings.Contains(got, "blob:") {
		t.Errorf("the policy is %s", got)
	}
	if n := strings.Count(page.Body, "<script"); n != strings.Count(page.Body, `<script type="module" src="/static/`) {
		t.Error("a script is inline")
	}
}
