package handlers_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
	"gatehouse/models"
)

// Bad input that second factors meet, and the test that shows what becomes of it:
//
//	codes with spaces, letters, Unicode digits, 5 and 7 digits   TestACodeIsReadAlikeWhereverItIsTyped
//	a clock two steps off                                        TestACodeIsReadAlikeWhereverItIsTyped, TestACodeOfAnotherTimeIsRefused
//	two enrolments at once                                       TestOnlyTheNewestSeedIsConfirmed, TestOfManyConfirmationsAtOnceOneWins
//	an enrolment for another user's id                           TestAnEnrolmentIsForWhoAsksAlone, TestARegistrationIsForItsSession
//	a passkey deleted while its challenge is open                TestAPasskeyThatIsRemovedMeanwhileOpensNothing
//	JavaScript off                                               e2e: TestTheLoginPageSaysWhatWorksWithoutPasskeys, TestACodeAppWorksWithoutJavaScript,
//	                                                             TestAPasskeyIsMadeWithinASignInThatAsksForAFactor
//	no authenticator, the user cancels                           e2e: TestForgedAnswersOfAnAuthenticatorAreRefused, TestABrowserThatMakesNoneByItselfIsNotComplainedAbout
//	a browser without WebAuthn                                   e2e: TestTheLoginPageSaysWhatWorksWithoutPasskeys
//	what no authenticator says                                   TestWhatIsNoAnswerOfAnAuthenticatorIsRefused, TestEveryCheckOfAnAssertionRefuses,
//	                                                             TestEveryCheckOfARegistrationRefuses, FuzzPasskeyAnswers

// codeTyped is one way to write a right code, or not, and what becomes of it.
type codeTyped struct {
	write func(code string) string
	shift time.Duration
	why   string // "" is taken
}

var typedCodes = map[string]codeTyped{
	"as it is":            {write: func(c string) string { return c }},
	"a space between":     {write: func(c string) string { return c[:3] + " " + c[3:] }},
	"spaces around":       {write: func(c string) string { return "  " + c + " " }},
	"a hyphen":            {write: func(c string) string { return c[:3] + "-" + c[3:] }},
	"one step behind":     {write: func(c string) string { return c }, shift: -30 * time.Second},
	"one step ahead":      {write: func(c string) string { return c }, shift: 30 * time.Second},
	"two steps behind":    {write: func(c string) string { return c }, shift: -60 * time.Second, why: "totp_wrong"},
	"two steps ahead":     {write: func(c string) string { return c }, shift: 60 * time.Second, why: "totp_wrong"},
	"5 digits":            {write: func(c string) string { return c[:5] }, why: "row of digits"},
	"7 digits":            {write: func(c string) string { return c + "0" }, why: "row of digits"},
	"letters":             {write: func(c string) string { return "O" + c[1:] }, why: "row of digits"},
	"Arabic digits":       {write: digitsFrom('٠'), why: "row of digits"},
	"full-width digits":   {write: digitsFrom('０'), why: "row of digits"},
	"mathematical digits": {write: digitsFrom('𝟎'), why: "row of digits"},
	"a space of no width": {write: func(c string) string { return c[:3] + "\u200b" + c[3:] }, why: "row of digits"},
	"a sign":              {write: func(c string) string { return "+" + c }, why: "row of digits"},
	"a thousand digits":   {write: func(c string) string { return strings.Repeat(c, 200) }, why: "row of digits"},
	"a NUL at its end":    {write: func(c string) string { return c + "\x00" }, why: "row of digits"},
}

// digitsFrom writes a code in the digits of another script.
func digitsFrom(zero rune) func(string) string {
	return func(code string) string {
		return strings.Map(func(r rune) rune { return zero + r - '0' }, code)
	}
}

// A code is read by one function, so that no door is kinder than another: the
// sign-in by page and by JSON, the proof, and the confirmation of an app.
func TestACodeIsReadAlikeWhereverItIsTyped(t *testing.T) {
	for name, one := range typedCodes {
		t.Run(name, func(t *testing.T) {
			s := testserver.New(t)
			_, seed, _ := withApp(s)
			s.Clock.Advance(5 * time.Minute) // the codes of the set-up are used up
			next := func() string {
				s.Clock.Advance(3 * time.Minute)
				return one.write(appCode(s, seed, one.shift))
			}
			check := func(door string, a *testserver.Answer, taken int) {
				t.Helper()
				switch {
				case one.why == "" && a.Status != taken:
					t.Errorf("%s answers %d: %s", door, a.Status, a.Body)
				case one.why != "" && (a.Status < 400 || a.Status > 499):
					t.Errorf("%s takes it: %d", door, a.Status)
				case one.why != "" && a.Status != 400 && strings.HasPrefix(a.Body, "{") && !strings.Contains(a.Body, one.why):
					t.Errorf("%s says %s, want %s", door, a.Body, one.why)
				}
			}
			b := s.Browser()
			b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
			check("the page", b.Post("/login/totp", "code", next()), 303)
			half := s.Program().Post("/api/v1/login", "username", "mara", "password", password).Is(200).Text("attempt")
			p := s.Program()
			a := p.Post("/api/v1/login/totp", "attempt", half, "code", next())
			check("the call", a, 200)
			if one.why != "" {
				a = p.Post("/api/v1/login/totp", "attempt", half, "code", appCode(s, seed, 30*time.Second))
			}
			p.Access = a.Is(200).Text("access_token")
			s.Clock.Advance(time.Minute)
			check("the proof", p.Post("/api/v1/reauth", "code", next()), 200)
		})
	}
}

// The account is that of the session: a body that names another is not read.
func TestAnEnrolmentIsForWhoAsksAlone(t *testing.T) {
	s := testserver.New(t)
	victim := s.User(mara, "mara", password)
	s.User("mallory@harbour.example", "mallory", password)
	p := s.Program().Login("mallory", password)
	for _, field := range []string{"user_id", "id", "user", "sub"} {
		body := map[string]any{field: victim.ID.String()}
		p.Call("POST", "/api/v1/me/factors/totp", body).Fails(400, "invalid_request")
		p.Call("POST", "/api/v1/me/factors/passkeys/begin", body).Fails(400, "invalid_request")
		body["credential"] = map[string]any{}
		p.Call("POST", "/api/v1/me/factors/passkeys", body).Fails(400, "invalid_request")
	}
	// The handle inside the answer of an authenticator decides nothing either.
	options, _ := asked(p.Call("POST", "/api/v1/me/factors/passkeys/begin", nil))
	d := device(s)
	d.UserHandle = victim.ID.Bytes()
	p.Call("POST", "/api/v1/me/factors/passkeys", map[string]any{"credential": json.RawMessage(d.Create(options))}).Is(201)
	s.Program().Login("mara", password).Call("GET", "/api/v1/me/factors/passkeys", nil).Is(200).Has(`"passkeys":[]`)
}

// Each of the ceremonies is begun, the passkey is removed on another device, and
// then the answer comes.
func TestAPasskeyThatIsRemovedMeanwhileOpensNothing(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = at })
		b, d := withKey(s)
		alone, attempt := asked(s.Program().Call("POST", "/api/v1/login/passkey/begin", nil))
		half := s.Program().Post("/api/v1/login", "username", "mara", "password", password).Is(200).Text("attempt")
		second, _ := asked(s.Program().Call("POST", "/api/v1/login/passkey/begin", map[string]any{"attempt": half}))
		proof, _ := asked(b.Post("/account/reauth/passkey/begin"))
		list, err := s.Passkeys.List(t.Context(), mustUser(t, s))
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		b.Post(keysPage+"/remove", "id", list[0].ID.String()).Leads(keysPage)
		finish := "/api/v1/login/passkey/finish"
		s.Program().Call("POST", finish, map[string]any{"attempt": attempt, "credential": json.RawMessage(d.Get(alone))}).
			Fails(401, "invalid_credentials").Has("passkey_unknown")
		a := s.Program().Call("POST", finish, map[string]any{"attempt": half, "credential": json.RawMessage(d.Get(second))})
		if a.Status != 401 && a.Status != 409 {
			t.Errorf("as the second factor: %d %s", a.Status, a.Body)
		}
		if a := b.Post("/account/reauth", "method", "passkey", "credential", string(d.Get(proof))); a.Status != 401 {
			t.Errorf("as a proof: %d", a.Status)
		}
	})
}

func mustUser(t testing.TB, s *testserver.Server) models.ID {
	t.Helper()
	u, err := s.Accounts.ByLogin(t.Context(), "mara")
	if err != nil || u == nil {
		t.Fatal(u, err)
	}
	return u.ID
}
