package accounts

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testkit"
	"gatehouse/internal/testrooms"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// rivals is how many goroutines race for every single-use thing.
const rivals = 32

const goodPassword = "correct horse battery staple"

var visitor = testrooms.Visitor

// house is the room with everything it works with, on a real database.
type house struct {
	*Service
	t     testing.TB
	db    *database.DB
	clock *testkit.Clock
}

func newHouse(t testing.TB, db *database.DB, changes ...func(*Deps)) *house {
	t.Helper()
	r := testrooms.New(t, db, Admit)
	d := Deps{
		DB: db, Tokens: r.Tokens, Mail: r.Mail, Audit: r.Audit, Clock: r.Clock.Now, Limits: ratelimit.NewLimits(ratelimit.New(r.Clock.Now, 0), rules), Passwords: r.Hasher,
		Config: Config{
			Signup: SignupOpen, EmailVerification: VerificationRequired, BaseURL: testrooms.URL,
			MailPerAddress: ratelimit.Rule{N: 5, Per: time.Hour},
		},
	}
	for _, change := range changes {
		change(&d)
	}
	return &house{Service: New(d), t: t, db: db, clock: r.Clock}
}

func eachHouse(t *testing.T, test func(t *testing.T, h *house), changes ...func(*Deps)) {
	t.Helper()
	testkit.EachDB(t, func(t *testing.T, db *database.DB) { test(t, newHouse(t, db, changes...)) })
}

func optional(d *Deps) { d.Config.EmailVerification = VerificationOptional }

// signUp registers and answers the attempt and the newest mail to that address.
func (h *house) signUp(email, username string) (attempt string, m mail.InboxMessage) {
	h.t.Helper()
	out, err := h.Register(h.ctx(), Register{Email: email, Password: goodPassword, Username: username, Client: visitor})
	if err != nil {
		h.t.Fatal(err)
	}
	return out.Attempt.Reveal(), h.lastMail(email)
}

// person is an account that signed up and confirmed its address.
func (h *house) person(email, username string) *models.User {
	h.t.Helper()
	attempt, m := h.signUp(email, username)
	u, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: m.Code, Client: visitor})
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

func (h *house) ctx() context.Context { return h.t.Context() }

func (h *house) inbox() []mail.InboxMessage {
	h.t.Helper()
	list, err := h.Mail.Inbox(h.ctx())
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

func (h *house) mailsTo(email string) (list []mail.InboxMessage) {
	for _, m := range h.inbox() {
		if strings.EqualFold(m.To, email) {
			list = append(list, m)
		}
	}
	return list
}

func (h *house) lastMail(email string) mail.InboxMessage {
	if list := h.mailsTo(email); len(list) > 0 {
		return list[0]
	}
	return mail.InboxMessage{}
}

// linkToken is the token in the link of a mail.
func (h *house) linkToken(m mail.InboxMessage) string {
	h.t.Helper()
	for _, l := range m.Links {
		if u, err := url.Parse(l); err == nil && u.Query().Get("token") != "" {
			return u.Query().Get("token")
		}
	}
	h.t.Fatalf("no link with a token in %v", m.Links)
	return ""
}

// reset sets a password with the token of a link.
func (h *house) reset(token, password string) error {
	return h.ResetPassword(h.ctx(), ResetInput{Token: token, Password: password, Client: visitor})
}

func (h *house) count(query string, args ...any) (n int64) {
	h.t.Helper()
	if err := h.db.Read(h.ctx()).Raw(query, args...).Scan(&n).Error; err != nil {
		h.t.Fatal(err)
	}
	return n
}

// recorded is how many audit events of that kind there are.
func (h *house) recorded(action audit.Action) int64 {
	return h.count("SELECT COUNT(*) FROM audit_events WHERE action = ?", string(action))
}

// session starts a session of u, as signin does.
func (h *house) session(u *models.User) tokens.Started {
	h.t.Helper()
	u, err := h.Get(h.ctx(), u.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	var s tokens.Started
	err = h.db.Write(h.ctx(), func(tx *gorm.DB) (err error) {
		if ok, err := h.RecordSignIn(tx, u, h.clock.Now(), false); err != nil || !ok {
			h.t.Error(ok, err)
		}
		s, err = h.Tokens.Sessions.Start(tx, tokens.SignIn{Subject: SubjectOf(u), AuthTime: h.clock.Now(), ACR: "aal1", Web: true})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) alive(s tokens.Started) bool {
	h.t.Helper()
	got, err := h.Tokens.Sessions.ByCookie(h.ctx(), s.Cookie.Reveal())
	if err != nil {
		h.t.Fatal(err)
	}
	return got.SignedIn()
}

// race runs f in many goroutines at once and counts the answers by reason.
func race(f func(i int) error) map[string]int { return testkit.Answers(rivals, f) }

var wantReason = testkit.WantReason

func wantField(t testing.TB, err error, name, reason string) {
	t.Helper()
	e := apperr.From(err)
	if e == nil || e.Fields[name].Reason != reason {
		t.Errorf("answer %v, want %s=%s", err, name, reason)
	}
}

func noMailCap(d *Deps) { d.Config.MailPerAddress = ratelimit.Rule{} }

func sqlite(t testing.TB) *database.DB { return testkit.DB(t) }

// address is another one for each i.
func address(i int) string { return fmt.Sprintf("person%d@example.com", i) }

// rules are the limits that the tests reach, as an operator gets them by default.
var rules = map[ratelimit.Name]ratelimit.Rule{
	ratelimit.SignupPassword: {N: 10, Per: time.Hour}, ratelimit.Profile: {N: 100, Per: time.Hour}, ratelimit.Email: {N: 10, Per: time.Hour},
	ratelimit.Invite: {N: 100, Per: time.Hour}, ratelimit.Data: {N: 10, Per: time.Hour}, ratelimit.NewDevice: {N: 5, Per: time.Hour},
}

// limited gives one limit of the table a rule; the others are off.
func limited(name ratelimit.Name, n int, per time.Duration) func(*Deps) {
	return func(d *Deps) {
		d.Limits = ratelimit.NewLimits(ratelimit.New(d.Clock, 0), map[ratelimit.Name]ratelimit.Rule{name: {N: n, Per: per}})
	}
}
