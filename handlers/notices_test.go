package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
)

// changer is a person who changes something that opens their account.
type changer struct {
	*testserver.Program
	s      *testserver.Server
	t      testing.TB
	id     string
	email  string
	device *testkit.Authenticator
	app    string // the seed
	codes  []string
	// what prepare left for the change
	key, attempt, code string
}

func (c *changer) addKey() {
	c.device = device(c.s)
	options, _ := asked(c.Call("POST", "/api/v1/me/factors/passkeys/begin", nil))
	c.key = c.Call("POST", "/api/v1/me/factors/passkeys", map[string]any{"credential": json.RawMessage(c.device.Create(options))}).Is(201).Text("id")
	c.refresh()
}

func (c *changer) addApp() {
	c.app = c.Call("POST", "/api/v1/me/factors/totp", map[string]any{}).Is(200).Text("secret")
	a := c.Post("/api/v1/me/factors/totp/confirm", "code", appCode(c.s, c.app, 0)).Is(200)
	for _, code := range a.JSON()["recovery_codes"].([]any) {
		c.codes = append(c.codes, code.(string))
	}
	c.refresh()
}

func (c *changer) refresh() {
	a := c.Post("/api/v1/token/refresh", "refresh_token", c.Refresh).Is(200)
	c.Access, c.Refresh = a.Text("access_token"), a.Text("refresh_token")
}

// half is a sign-in of another program that waits for a second factor.
func (c *changer) half() {
	c.attempt = c.s.Program().Post("/api/v1/login", "username", c.email, "password", password).Is(200).Text("attempt")
}

// change is one row: what is done, what the record calls it, and which words
// the mail to the owner has in its subject; "" is no mail.
type change struct {
	prepare func(c *changer)
	run     func(c *changer) *testserver.Answer
	status  int
	action  string
	mail    string
}

// changes is everything that can change what opens an account, as a program
// does it. Pages lead to the same rooms.
var changes = map[string]change{
	"a code app is added": {
		prepare: func(c *changer) {
			c.app = c.Call("POST", "/api/v1/me/factors/totp", map[string]any{}).Is(200).Text("secret")
		},
		run: func(c *changer) *testserver.Answer {
			return c.Post("/api/v1/me/factors/totp/confirm", "code", appCode(c.s, c.app, 0))
		},
		status: 200, action: "factor.added", mail: "second step was added",
	},
	"a code app takes the place of another": {
		prepare: func(c *changer) {
			c.addApp()
			c.app = c.Call("POST", "/api/v1/me/factors/totp", map[string]any{}).Is(200).Text("secret")
		},
		run: func(c *changer) *testserver.Answer {
			return c.Post("/api/v1/me/factors/totp/confirm", "code", appCode(c.s, c.app, 0))
		},
		status: 200, action: "factor.added", mail: "second step was added",
	},
	"the code app is removed": {
		prepare: (*changer).addApp,
		run:     func(c *changer) *testserver.Answer { return c.Call("DELETE", "/api/v1/me/factors/totp", nil) },
		status:  204, action: "factor.removed", mail: "second step was removed",
	},
	"a passkey is added": {
		prepare: func(c *changer) {
			options, _ := asked(c.Call("POST", "/api/v1/me/factors/passkeys/begin", nil))
			c.code = string(device(c.s).Create(options))
		},
		run: func(c *changer) *testserver.Answer {
			return c.Call("POST", "/api/v1/me/factors/passkeys", map[string]any{"credential": json.RawMessage(c.code)})
		},
		status: 201, action: "factor.added", mail: "second step was added",
	},
	"a passkey gets another name": {
		prepare: (*changer).addKey,
		run: func(c *changer) *testserver.Answer {
			return c.Call("PATCH", "/api/v1/me/factors/passkeys/"+c.key, map[string]any{"name": "another"})
		},
		status: 204, action: "factor.renamed",
	},
	"a passkey is removed": {
		prepare: (*changer).addKey,
		run: func(c *changer) *testserver.Answer {
			return c.Call("DELETE", "/api/v1/me/factors/passkeys/"+c.key, nil)
		},
		status: 204, action: "factor.removed", mail: "second step was removed",
	},
	"new recovery codes are made": {
		prepare: (*changer).addApp,
		run: func(c *changer) *testserver.Answer {
			return c.Call("POST", "/api/v1/me/factors/recovery", map[string]any{})
		},
		status: 200, action: "recovery.made", mail: "recovery codes",
	},
	"a recovery code is used": {
		prepare: func(c *changer) { c.addApp(); c.half() },
		run: func(c *changer) *testserver.Answer {
			return c.s.Program().Post("/api/v1/login/recovery", "attempt", c.attempt, "code", c.codes[3])
		},
		status: 200, action: "signin", mail: "recovery code",
	},
	"the password is changed": {
		run: func(c *changer) *testserver.Answer {
			return c.Post("/api/v1/me/password", "current_password", password, "new_password", "five other plain words here")
		},
		status: 204, action: "password.changed", mail: "password",
	},
	"the password is reset": {
		prepare: func(c *changer) {
			c.attempt = c.s.Program().Post("/api/v1/password/forgot", "email", c.email).Is(202).Text("attempt")
			c.code = c.s.LastMail().Code
		},
		run: func(c *changer) *testserver.Answer {
			return c.s.Program().Post("/api/v1/password/reset", "attempt", c.attempt, "code", c.code, "new_password", "five other plain words here")
		},
		status: 204, action: "password.reset", mail: "password",
	},
	"the address is changed": {
		prepare: func(c *changer) {
			c.attempt = c.Post("/api/v1/me/email", "email", "new-"+c.email).Is(202).Text("attempt")
			c.code = c.s.LastMail().Code
		},
		run: func(c *changer) *testserver.Answer {
			return c.Post("/api/v1/me/email/verify", "attempt", c.attempt, "code", c.code)
		},
		status: 204, action: "email.changed", mail: "address",
	},
	"the username is changed": {
		prepare: func(c *changer) { c.Call("PATCH", "/api/v1/me", map[string]any{"username": "o" + c.id[24:]}).Is(200) },
		run: func(c *changer) *testserver.Answer {
			return c.Call("PATCH", "/api/v1/me", map[string]any{"username": "n" + c.id[24:]})
		},
		status: 200, action: "profile.changed", mail: "username",
	},
	"a personal token is made": {
		run: func(c *changer) *testserver.Answer {
			return c.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "x", "scopes": []string{"profile:read"}})
		},
		status: 201, action: "personal_token.made", mail: "token",
	},
	"a personal token ends": {
		prepare: func(c *changer) {
			c.key = c.Call("POST", "/api/v1/me/tokens", map[string]any{"name": "x", "scopes": []string{"profile:read"}}).Is(201).Text("id")
		},
		run: func(c *changer) *testserver.Answer {
			return c.Call("DELETE", "/api/v1/me/tokens/"+c.key, nil)
		},
		status: 204, action: "personal_token.ended",
	},
	"the account is closed": {
		run: func(c *changer) *testserver.Answer {
			return c.Call("DELETE", "/api/v1/me", nil)
		},
		status: 202, action: "account.closing", mail: "clos",
	},
}

// state is everything of a person that a change could change, as one text.
func (c *changer) state() string {
	c.t.Helper()
	var out strings.Builder
	for _, query := range []string{
		`SELECT password_hash AS a, email AS b, COALESCE(username, '') AS c, COALESCE(erase_at, 0) AS d FROM users WHERE HEX(id) = ?`,
		`SELECT name AS a, HEX(credential_id) AS b, '' AS c, created_at AS d FROM passkeys WHERE HEX(user_id) = ? ORDER BY id`,
		`SELECT HEX(seed) AS a, '' AS b, '' AS c, created_at AS d FROM totp_factors WHERE HEX(user_id) = ?`,
		`SELECT hash AS a, '' AS b, '' AS c, COALESCE(used_at, 0) AS d FROM recovery_codes WHERE HEX(user_id) = ? ORDER BY position`,
		`SELECT name AS a, '' AS b, '' AS c, COALESCE(ended_at, 0) AS d FROM personal_tokens WHERE HEX(user_id) = ? ORDER BY id`,
	} {
		var rows []struct {
			A, B, C string
			D       int64
		}
		if err := c.s.DB.Read(c.t.Context()).Raw(query, strings.ToUpper(strings.ReplaceAll(c.id, "-", ""))).Scan(&rows).Error; err != nil {
			c.t.Fatal(err)
		}
		fmt.Fprintln(&out, rows)
	}
	return out.String()
}

// recorded is how many events of that kind tell of the person.
func (c *changer) recorded(action string) (n int64) {
	c.t.Helper()
	err := c.s.DB.Read(c.t.Context()).Raw(`SELECT COUNT(*) FROM audit_events WHERE action = ? AND outcome = 'success' AND HEX(subject_id) = ?`,
		action, strings.ToUpper(strings.ReplaceAll(c.id, "-", ""))).Scan(&n).Error
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// without runs f while a table is not there.
func (c *changer) without(table string, f func()) {
	c.t.Helper()
	rename := func(from, to string) {
		if _, err := c.s.DB.Exec(c.t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
			c.t.Fatal(err)
		}
	}
	rename(table, table+"_away")
	f()
	rename(table+"_away", table)
}

// TestEveryChangeIsOnRecordAndToldInItsOwnTransaction makes every change three
// times: while nothing can be recorded and while no mail can be queued, when it
// must not happen, and then for good (security rules 12 and 26).
func TestEveryChangeIsOnRecordAndToldInItsOwnTransaction(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = at })
		n := 0
		for name, one := range changes {
			n++
			email := fmt.Sprintf("person%d@harbour.example", n)
			t.Run(name, func(t *testing.T) {
				u := s.User(email, "", password)
				c := &changer{Program: s.Program().Login(email, password), s: s, t: t, id: u.ID.String(), email: email}
				if one.prepare != nil {
					one.prepare(c)
				}
				before, events, mails := c.state(), c.recorded(one.action), len(s.Inbox())
				faults := []string{"audit_events"}
				if one.mail != "" {
					faults = append(faults, "mail_outbox")
				}
				for _, table := range faults {
					c.without(table, func() {
						if a := one.run(c); a.Status < 500 {
							t.Errorf("without %s it answers %d: %s", table, a.Status, a.Body)
						}
					})
					if c.state() != before || c.recorded(one.action) != events || len(s.Inbox()) != mails {
						t.Errorf("without %s it happened all the same", table)
					}
				}
				if a := one.run(c); a.Status != one.status {
					t.Fatalf("it answers %d: %s", a.Status, a.Body)
				}
				if got := c.recorded(one.action); got != events+1 {
					t.Errorf("%d events of %s", got-events, one.action)
				}
				list := s.Inbox()
				switch {
				case one.mail == "" && len(list) != mails:
					t.Errorf("a mail was sent: %q", list[0].Subject)
				case one.mail != "" && (len(list) != mails+1 || list[0].To != email || !strings.Contains(strings.ToLower(list[0].Subject), one.mail)):
					t.Errorf("%d mails, the newest to %s: %q", len(list)-mails, list[0].To, list[0].Subject)
				}
			})
		}
	})
}
