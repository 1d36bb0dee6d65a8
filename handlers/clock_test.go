package handlers_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
)

// jumping is a server whose clock can be set, and what people had and lost before.
type jumping struct {
	*testserver.Server
	t      *testing.T
	steady *testkit.Clock

	failed []string // answers that no client should ever see

	inBrowser      *testserver.Browser // signed in, honest
	inProgram      *testserver.Program // likewise
	ended          *testserver.Program // signed out, and forgotten by the log since
	endedBrowser   *testserver.Browser // likewise
	spent          string              // a refresh token that was exchanged long ago
	spentBy        *testserver.Program
	app            string   // the secret of mara's code app
	appUsed        string   // a code of it that was used
	paper          []string // mara's recovery codes
	paperUsed      string
	reset          string // the token of a link that was used
	resetPassword  string
	guessedAt      string
	signedInBefore int64
}

const (
	nora = "nora@example.org"
	olga = "olga@example.org"
	pia  = "pia@example.org" // has used the link of a reset
)

// pass lets time pass, and set sets the clock of the machine or the database.
func (j *jumping) pass(d time.Duration) {
	j.Clock.Advance(d)
	j.steady.Advance(d)
}

func (j *jumping) set(d time.Duration) { j.Clock.Advance(d) }

// house does all regular work once, without the hour that the real jobs wait.
func (j *jumping) house() {
	j.t.Helper()
	for name, do := range map[string]func(context.Context) error{
		"the log": j.Tokens.Log.Tend, "keys": j.Keys.Tend, "tokens": j.Tokens.Trim, "personal tokens": j.Tokens.Personal.Flush,
		"sign-ups": j.Accounts.Trim, "closed accounts": j.Accounts.EraseDue, "counters": j.SignIn.Trim, "mail": j.Mail.Trim,
		"audit": func(ctx context.Context) error { _, err := j.Audit.Seal(ctx); return err },
	} {
		if err := do(j.t.Context()); err != nil {
			j.t.Fatalf("%s: %v", name, err)
		}
	}
}

// watch keeps every answer that no client should see.
func (j *jumping) watch() {
	inner := j.Handler
	j.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusOf{ResponseWriter: w}
		inner.ServeHTTP(seen, r)
		if seen.status >= 500 {
			j.failed = append(j.failed, r.Method+" "+r.URL.Path)
		}
	})
}

type statusOf struct {
	http.ResponseWriter
	status int
}

func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// refresh exchanges the program's token and keeps the new ones.
func (j *jumping) refresh(p *testserver.Program) *testserver.Answer {
	j.t.Helper()
	a := j.Program().Post("/api/v1/token/refresh", "refresh_token", p.Refresh)
	if a.Status == http.StatusOK {
		p.Access, p.Refresh = a.Text("access_token"), a.Text("refresh_token")
	}
	return a
}

// before is what happens before the first jump. What ends and what is used up is
// of so long ago that a jump back leads into the life of its access token: at five
// minutes of ten.
func before(t *testing.T, url string, first time.Duration) *jumping {
	t.Helper()
	j := &jumping{t: t, steady: testkit.NewClock(), guessedAt: olga, resetPassword: "another four plain words"}
	j.Server = testserver.New(t, func(o *testserver.Options) { o.DatabaseURL, o.Steady, o.Fresh, o.OneNode = url, j.steady, true, true })
	j.watch()
	for _, who := range []string{nora, olga} {
		j.User(who, who[:4], password)
	}
	j.User(mara, "mara", password)
	_, j.app, j.paper = setUpApp(j.Server)
	j.people()
	j.house()
	j.Program().Login(nora, password).Call("POST", "/api/v1/logout", nil).Is(204) // the newest ending is never forgotten
	j.house()
	if first < 0 {
		j.pass(-first)
		j.house()
	}
	j.pass(5 * time.Minute)
	j.house()
	j.late()
	return j
}

// people sign in, sign out, and use up what is good for once.
func (j *jumping) people() {
	j.t.Helper()
	j.ended, j.endedBrowser = j.Program().Login(nora, password), j.Browser().Login(nora, password)
	j.ended.Call("POST", "/api/v1/logout", nil).Is(204)
	cookie := j.endedBrowser.Cookie("gatehouse")
	j.endedBrowser.Post("/logout")
	j.endedBrowser.SetCookie("gatehouse", cookie)
	j.spentBy = j.Program().Login(nora, password)
	j.spent = j.spentBy.Refresh
	j.refresh(j.spentBy).Is(200)

	link, err := j.Accounts.ResetLink(j.t.Context(), j.User(pia, "pia", password).ID, noClient)
	if err != nil {
		j.t.Fatal(err)
	}
	_, j.reset, _ = strings.Cut(link.Reveal(), "token=")
	j.Browser().Post("/reset", "token", j.reset, "new_password", j.resetPassword).Leads("/login")
}

// late is what happens right before the jump: codes, and guesses.
func (j *jumping) late() {
	j.t.Helper()
	j.inBrowser, j.inProgram = j.Browser().Login(nora, password), j.Program().Login(nora, password)
	j.appUsed, j.paperUsed = appCode(j.Server, j.app, 0), j.paper[0]
	j.second("/api/v1/login/totp", j.appUsed).Is(200)
	j.second("/api/v1/login/recovery", j.paperUsed).Is(200)
	for range 12 {
		j.Program().Post("/api/v1/login", "username", j.guessedAt, "password", "wrong")
	}
	j.Program().Post("/api/v1/login", "username", j.guessedAt, "password", password).Fails(429, "too_many_attempts")
}

// second signs mara in by password and a code.
func (j *jumping) second(path, code string) *testserver.Answer {
	j.t.Helper()
	p := j.Program()
	attempt := p.Post("/api/v1/login", "username", "mara", "password", password).Is(200).Text("attempt")
	return p.Post(path, "attempt", attempt, "code", code)
}

// nothingIsRevived tries everything that had ended or was good for once.
func (j *jumping) nothingIsRevived() {
	j.t.Helper()
	j.ended.Call("GET", "/auth", nil).Fails(401, "invalid_token")
	j.refresh(j.ended).Fails(401, "invalid_grant")
	j.endedBrowser.Get("/account").Leads("/login?return_to=%2Faccount")
	j.second("/api/v1/login/totp", j.appUsed).Is(401)
	j.second("/api/v1/login/recovery", j.paperUsed).Is(401)
	j.Browser().Post("/reset", "token", j.reset, "new_password", password).Is(410)
	j.Program().Post("/api/v1/login", "username", pia, "password", password).Is(401) // the one before the reset
}

// everybodyComesIn is what whoever is honest can do at once.
func (j *jumping) everybodyComesIn() {
	j.t.Helper()
	j.Browser().Login(nora, password).Get("/account").Is(200)
	p := j.Program().Login(nora, password)
	p.Call("GET", "/auth", nil).Is(200)
	j.refresh(p).Is(200)
	p.Call("GET", "/auth", nil).Is(200)
	j.paper = j.paper[1:] // mara's app may show the codes of another time: paper needs no clock
	j.second("/api/v1/login/recovery", j.paper[0]).Is(200)
	// Of whom somebody guesses at waits for the delay of these guesses once more at
	// the most, and not for as long as the clock is behind.
	if a := j.Program().Post("/api/v1/login", "username", j.guessedAt, "password", password); a.Status != http.StatusOK {
		if wait := a.Fails(429, "too_many_attempts").Header.Get("Retry-After"); wait != "1" {
			j.t.Errorf("whom somebody guesses at has to wait %s s", wait)
		}
		j.pass(time.Second)
		j.Program().Login(j.guessedAt, password)
	}
}

// goodHouse checks what the regular work must not have broken.
func (j *jumping) goodHouse() {
	j.t.Helper()
	if r, err := j.Audit.Verify(j.t.Context()); err != nil || r.Faults > 0 {
		j.t.Errorf("the audit log: %+v, %v", r, err)
	}
	list, err := j.Keys.List(j.t.Context())
	if err != nil {
		j.t.Fatal(err)
	}
	states := map[string]int{}
	for _, k := range list {
		if k.Purpose == "access" {
			states[k.State]++
		}
	}
	if states["current"] != 1 || states["next"] != 1 {
		j.t.Errorf("the keys are %v", states)
	}
	if n := j.count("SELECT COUNT(*) FROM users"); n != 4 {
		j.t.Errorf("%d accounts", n)
	}
	if n := events(j.t, j.Server, "signin", "success"); n < j.signedInBefore {
		j.t.Errorf("%d sign-ins are on record, %d were", n, j.signedInBefore)
	} else {
		j.signedInBefore = n
	}
	if len(j.failed) > 0 {
		j.t.Errorf("these failed: %v", slices.Compact(j.failed))
	}
}

func (j *jumping) count(query string) (n int64) {
	j.t.Helper()
	if err := j.DB.Read(j.t.Context()).Raw(query).Scan(&n).Error; err != nil {
		j.t.Fatal(err)
	}
	return n
}

const day = 24 * time.Hour

// TestAClockThatJumpsRevivesNothingAndLocksNobodyOut sets the clock of a running
// server, in some cases right again three minutes later.
func TestAClockThatJumpsRevivesNothingAndLocksNobodyOut(t *testing.T) {
	for _, c := range []struct {
		name  string
		jumps []time.Duration
		// stays says whether a browser that was signed in still is at the end: a day
		// forward is longer than a session may be idle.
		stays bool
	}{
		{"an hour forward", []time.Duration{time.Hour}, true},
		{"an hour back", []time.Duration{-time.Hour}, true},
		{"a day forward", []time.Duration{day}, false},
		{"a day back", []time.Duration{-day}, true},
		{"an hour forward and back", []time.Duration{time.Hour, -time.Hour}, true},
		{"an hour back and forward", []time.Duration{-time.Hour, time.Hour}, true},
		{"a day forward and back", []time.Duration{day, -day}, true},
		{"a day back and forward", []time.Duration{-day, day}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.EachURL(t, func(t *testing.T, url string) {
				j := before(t, url, c.jumps[0])
				var within *testserver.Program
				for _, d := range c.jumps {
					j.set(d)
					j.house()
					j.nothingIsRevived()
					j.everybodyComesIn()
					j.refresh(j.inProgram).Is(200)
					j.inProgram.Call("GET", "/auth", nil).Is(200)
					if within != nil { // signed out while the clock was wrong
						within.Call("GET", "/auth", nil).Fails(401, "invalid_token")
						j.refresh(within).Fails(401, "invalid_grant")
					}
					within = j.Program().Login(nora, password)
					within.Call("POST", "/api/v1/logout", nil).Is(204)
					j.goodHouse()
					j.pass(3 * time.Minute)
					j.house()
				}
				j.browserStays(c.stays)
				// An old copy is known for a theft, however far the clock was set.
				j.Program().Post("/api/v1/token/refresh", "refresh_token", j.spent).Fails(401, "invalid_grant")
				j.refresh(j.spentBy).Fails(401, "invalid_grant")
				j.goodHouse()
				testkit.Found(t, testkit.Finding{
					Proof: "K8", Case: c.name + ", " + j.DB.Dialect(), Tried: "what had ended or was used, and everybody's way in, after each jump",
					Found: "nothing revived, nobody locked out, no 5xx, the audit log whole",
				})
			})
		})
	}
}

func (j *jumping) browserStays(want bool) {
	j.t.Helper()
	if a := j.inBrowser.Get("/account"); want {
		a.Is(200)
	} else {
		a.Leads("/login?return_to=%2Faccount")
	}
}
