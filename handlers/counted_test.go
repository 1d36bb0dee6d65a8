package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/handlers"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testserver"
)

// guess is one wrong try at a secret.
type guess func() *testserver.Answer

// countedPaths are all ways to try a password or a code: what prepares them, and
// how many tries may be looked at before everything is refused.
type countedPath struct {
	route string
	most  int
	begin func(s *testserver.Server) guess
}

// stranger is signed in and has lost the cookie by which it was known.
func stranger(s *testserver.Server) *testserver.Browser {
	b := s.Browser().Login("mara", password)
	b.SetCookie("gatehouse_device", "")
	return b
}

func page(b *testserver.Browser, path string, fields ...string) guess {
	return func() *testserver.Answer { return b.Post(path, fields...) }
}

func call(p *testserver.Program, path string, fields ...string) guess {
	return func() *testserver.Answer { return p.Post(path, fields...) }
}

func passwordPaths() []countedPath {
	const wrong = "surely not this one"
	return []countedPath{
		{"POST /login", 10, func(s *testserver.Server) guess {
			return page(s.Browser(), "/login", "username", "mara", "password", wrong)
		}},
		{"POST /login", 10, func(s *testserver.Server) guess {
			return func() *testserver.Answer {
				return s.Program().Raw("POST", "/login", "username=mara&password=wrong", "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")
			}
		}},
		{"POST /api/v1/login", 10, func(s *testserver.Server) guess {
			return call(s.Program(), "/api/v1/login", "username", mara, "password", wrong)
		}},
		{"POST /login/reset", 10, func(s *testserver.Server) guess {
			setUpApp(s)
			u, err := s.Accounts.ByLogin(s.T.Context(), "mara")
			if err == nil {
				err = s.SignIn.MailReset(s.T.Context(), u, s.Options.AppURL, noClient)
			}
			if err != nil {
				s.T.Fatal(err)
			}
			return page(s.Browser(), "/login/reset", "token", tokenIn(s, s.T), "username", "mara", "password", wrong)
		}},
		{"POST /account/reauth", 10, func(s *testserver.Server) guess {
			return page(stranger(s), "/account/reauth", "password", wrong)
		}},
		{"POST /account/security", 10, func(s *testserver.Server) guess {
			return page(stranger(s), "/account/security", "current_password", wrong, "new_password", freshPassword)
		}},
		{"POST /api/v1/reauth", 10, func(s *testserver.Server) guess {
			return call(s.Program().Login("mara", password), "/api/v1/reauth", "password", wrong)
		}},
		{"POST /api/v1/me/password", 10, func(s *testserver.Server) guess {
			return call(s.Program().Login("mara", password), "/api/v1/me/password", "current_password", wrong, "new_password", freshPassword)
		}},
	}
}

func codePaths() []countedPath {
	const none = "000000"
	half := func(s *testserver.Server) *testserver.Browser {
		b := s.Browser()
		b.Post("/login", "username", "mara", "password", password).Leads("/login/totp")
		return b
	}
	attempt := func(s *testserver.Server) string {
		return s.Program().Post("/api/v1/login", "username", "mara", "password", password).Is(200).Text("attempt")
	}
	return []countedPath{
		{"POST /login/totp", 10, func(s *testserver.Server) guess {
			setUpApp(s)
			return page(half(s), "/login/totp", "code", none)
		}},
		{"POST /login/recovery", 10, func(s *testserver.Server) guess {
			setUpApp(s)
			return page(half(s), "/login/recovery", "code", "0000-0000-0000-0000")
		}},
		{"POST /api/v1/login/totp", 10, func(s *testserver.Server) guess {
			setUpApp(s)
			return call(s.Program(), "/api/v1/login/totp", "attempt", attempt(s), "code", none)
		}},
		{"POST /api/v1/login/recovery", 10, func(s *testserver.Server) guess {
			setUpApp(s)
			return call(s.Program(), "/api/v1/login/recovery", "attempt", attempt(s), "code", "0000-0000-0000-0000")
		}},
		{"POST /account/reauth", 10, func(s *testserver.Server) guess {
			b, _, _ := setUpApp(s)
			b.SetCookie("gatehouse_device", "")
			return page(b, "/account/reauth", "method", "totp", "code", none)
		}},
		{"POST /api/v1/reauth", 10, func(s *testserver.Server) guess {
			_, secret, _ := setUpApp(s)
			s.Clock.Advance(time.Minute)
			p := s.Program()
			done := p.Post("/api/v1/login/totp", "attempt", attempt(s), "code", appCode(s, secret, 0)).Is(200)
			p.Access = done.Text("access_token")
			return call(p, "/api/v1/reauth", "code", none)
		}},
		{"POST /login/emailcode", 5, func(s *testserver.Server) guess {
			b := s.Browser()
			b.Post("/login/emailcode", "username", "mara").Leads("/login/emailcode")
			return page(b, "/login/emailcode", "code", wrongOf(code(s)))
		}},
		{"POST /api/v1/login/emailcode", 5, func(s *testserver.Server) guess {
			attempt := s.Program().Post("/api/v1/login/emailcode/begin", "username", "mara").Is(202).Text("attempt")
			return call(s.Program(), "/api/v1/login/emailcode", "attempt", attempt, "code", wrongOf(code(s)))
		}},
		{"POST /reset", 5, func(s *testserver.Server) guess {
			b := s.Browser()
			b.Post("/forgot", "username", "mara").Leads("/reset")
			return page(b, "/reset", "code", wrongOf(code(s)), "new_password", freshPassword)
		}},
		{"POST /api/v1/password/reset", 5, func(s *testserver.Server) guess {
			attempt := s.Program().Post("/api/v1/password/forgot", "username", "mara").Is(202).Text("attempt")
			return call(s.Program(), "/api/v1/password/reset", "attempt", attempt, "code", wrongOf(code(s)), "new_password", freshPassword)
		}},
		{"POST /verify", 5, func(s *testserver.Server) guess {
			b := s.Browser()
			b.Post("/register", "email", "new@harbour.example", "password", password).Leads("/verify")
			return page(b, "/verify", "code", wrongOf(code(s)))
		}},
		{"POST /verify", 10, func(s *testserver.Server) guess {
			s.Browser().Post("/register", "email", "new@harbour.example", "password", password).Leads("/verify")
			return page(s.Browser(), "/verify", "token", tokenIn(s, s.T), "password", "surely not this one")
		}},
		{"POST /api/v1/verify", 5, func(s *testserver.Server) guess {
			attempt := s.Program().Post("/api/v1/register", "email", "new@harbour.example", "password", password).Is(202).Text("attempt")
			return call(s.Program(), "/api/v1/verify", "attempt", attempt, "code", wrongOf(code(s)))
		}},
		{"POST /account/email/verify", 5, func(s *testserver.Server) guess {
			b := s.Browser().Login("mara", password)
			b.Post("/account/email", "email", "other@harbour.example")
			return page(b, "/account/email/verify", "code", wrongOf(code(s)))
		}},
		{"POST /api/v1/me/email/verify", 5, func(s *testserver.Server) guess {
			p := s.Program().Login("mara", password)
			attempt := p.Post("/api/v1/me/email", "email", "other@harbour.example").Text("attempt")
			return call(p, "/api/v1/me/email/verify", "attempt", attempt, "code", wrongOf(code(s)))
		}},
	}
}

func TestEveryPathThatChecksASecretCounts(t *testing.T) {
	for _, p := range append(passwordPaths(), codePaths()...) {
		t.Run(strings.ReplaceAll(p.route, "/", "_"), func(t *testing.T) {
			s := testserver.New(t, withCodes, func(o *testserver.Options) {
				o.Limits = map[ratelimit.Name]ratelimit.Rule{ratelimit.SignupPassword: {N: 10, Per: time.Hour}}
			})
			s.User(mara, "mara", password)
			try := p.begin(s)
			before := looked(s)
			for range 3 * p.most {
				if a := try(); a.Status < 400 || a.Status >= 500 {
					t.Fatalf("a wrong secret is answered with %d\n%s", a.Status, a.Body)
				}
			}
			if n := looked(s) - before; n != int64(p.most) {
				t.Errorf("%d wrong secrets were looked at, want %d", n, p.most)
			}
		})
	}
}

// looked is how many wrong secrets are on record: whatever compares one writes
// that it was wrong, and a refusal writes something else.
func looked(s *testserver.Server) (n int64) {
	s.T.Helper()
	err := s.DB.Read(s.T.Context()).Raw(`SELECT COUNT(*) FROM audit_events WHERE outcome = 'failure' AND reason IN
 ('invalid_credentials', 'totp_wrong', 'recovery_wrong', 'code_wrong', 'password_wrong')`).Scan(&n).Error
	if err != nil {
		s.T.Fatal(err)
	}
	return n
}

func TestAllPathsToAPasswordShareOneCountOfStrangers(t *testing.T) {
	for i, p := range passwordPaths() {
		t.Run(strings.ReplaceAll(p.route, "/", "_"), func(t *testing.T) {
			s := testserver.New(t)
			s.User(mara, "mara", password)
			try := p.begin(s)
			for range 10 {
				s.Program().Post("/api/v1/login", "username", "mara", "password", "wrong")
			}
			if a := try(); a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
				t.Errorf("path %d answers %d after ten tries elsewhere", i, a.Status)
			}
		})
	}
}

// unchecked are the routes that take something and compare no secret that could
// be guessed. Whoever adds a route writes here why, or a case above.
var unchecked = map[string]string{
	"register": "chooses a password", "invitation": "chooses a password; its token has 256 bits",
	"setup": "chooses a password; its token has 256 bits", "undo": "chooses a password; its token has 256 bits",
	"login/enrol": "the code of a seed that the caller was shown", "security/totp": "the code of a seed that the caller was shown",
	"factors/totp": "the code of a seed that the caller was shown",
	"passkey":      "a signature", "passkeys": "a signature", "token/refresh": "256 bits", "oauth": "256 bits", "revocations": "256 bits",
	"logout": "", "forgot": "", "resend": "", "emailcode/begin": "", "account/profile": "", "account/email": "", "me/email": "",
	"security/recovery": "", "security/trusted": "", "factors/recovery": "", "sessions": "", "tokens": "", "data": "", "close": "", "invitations": "", "/api/v1/me": "",
}

func TestEveryRouteThatTakesSomethingIsCountedOrSaysWhyNot(t *testing.T) {
	known := map[string]bool{}
	for _, p := range append(passwordPaths(), codePaths()...) {
		known[p.route] = true
	}
routes:
	for _, r := range handlers.Table() {
		if r.Method == http.MethodGet || known[nameOf(r)] {
			continue
		}
		for part := range unchecked {
			if strings.HasSuffix(r.Path, part) || strings.Contains(r.Path, part+"/") {
				continue routes
			}
		}
		t.Errorf("nobody says whether tries at %s are counted", nameOf(r))
	}
}
