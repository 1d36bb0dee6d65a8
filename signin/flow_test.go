package signin

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testkit"
	"gatehouse/tokens"
)

func TestAProgramGetsTokensAndABrowserACookie(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "Ada")
		for _, login := range []string{"ADA", " ada ", "Ada@Example.com", "ＡＤＡ"} {
			res, err := h.SignIn(h.ctx(), Input{Login: login, Password: right, Client: visitor})
			if err != nil {
				t.Fatal(login, err)
			}
			if res.User.ID != u.ID || res.Access == nil || res.Refresh == nil || !res.Session.Cookie.IsZero() || len(res.Next) != 0 {
				t.Errorf("%q: %+v", login, res)
			}
		}
		res, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Web: true, Client: visitor, Data: []byte("hello")})
		if err != nil {
			t.Fatal(err)
		}
		s, err := h.Tokens.Sessions.ByCookie(h.ctx(), res.Session.Cookie.Reveal())
		if err != nil || s.UserID != u.ID || string(s.Data) != "hello" || res.Access != nil || res.Refresh != nil {
			t.Errorf("%+v %v", s, err)
		}
		if !s.AuthTime.Equal(h.clock.Now()) || !s.AMR.Has("pwd") || s.ACR != "aal1" {
			t.Errorf("session %+v", s.Session)
		}
		got, _ := h.Accounts.Get(h.ctx(), u.ID)
		if got.SignIns != 5 || got.LastSignInAt.IsZero() || h.recorded(audit.SignIn, "") != 5 {
			t.Errorf("%d sign-ins, %d recorded", got.SignIns, h.recorded(audit.SignIn, ""))
		}
	})
}

func TestEveryWrongSignInHasOneAnswer(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		h.create(accounts.NewUser{Email: "empty@example.com", Username: "empty", Verified: true})
		gone := h.person("gone@example.com", "gone")
		if err := h.Accounts.SetDisabled(h.ctx(), gone.ID, true, visitor); err != nil {
			t.Fatal(err)
		}
		var first *apperr.Error
		for _, c := range []struct{ name, login, secret string }{
			{"wrong password", "ada", wrong},
			{"unknown username", "nobody", right},
			{"unknown address", "nobody@example.com", right},
			{"not a name at all", "a\u200bda", right},
			{"account without a password", "empty", right},
			{"disabled account, right password", "gone", right},
			{"disabled account, wrong password", "gone", wrong},
			{"password with NUL", "ada", right + "\x00"},
			{"password cut", "ada", right[:len(right)-1]},
			{"invalid UTF-8", "ada", "\xff\xfe"},
			{"far too long", "ada", strings.Repeat("x", 5000)},
		} {
			_, err := h.SignIn(h.ctx(), Input{Login: c.login, Password: c.secret, Client: visitor})
			e := apperr.From(err)
			if first == nil {
				first = e
			}
			if e == nil || !e.Is(ErrCredentials) || e.Error() != first.Error() || len(e.Fields) != 0 {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if n := h.recorded(audit.SignIn, "invalid_credentials"); n != 11 {
			t.Errorf("%d of 11 refusals are on record", n)
		}
		if n := h.tries(); n != 2*11 {
			t.Errorf("%d of 11 tries are counted in two runs each", n)
		}
	})
}

func TestEmptyFieldsAreRefusedBeforeAnything(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	for name, in := range map[string]Input{"username": {Password: right}, "password": {Login: "ada"}} {
		_, err := h.SignIn(h.ctx(), in)
		if e := apperr.From(err); e == nil || e.Fields[name].Reason != "required" {
			t.Error(name, err)
		}
	}
	_, err := h.SignIn(h.ctx(), Input{})
	if e := apperr.From(err); e == nil || len(e.Fields) != 2 {
		t.Errorf("of two empty fields not both are named: %v", err)
	}
	if h.counters() != 0 {
		t.Error("an empty field was counted as a try")
	}
}

func TestAnUnverifiedAccountLearnsItOnlyWithTheRightPassword(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.create(accounts.NewUser{Email: "ada@example.com", Password: right})
		if got := h.try("ada@example.com", wrong); got != "invalid_credentials" {
			t.Error(got)
		}
		res, err := h.SignIn(h.ctx(), Input{Login: "ada@example.com", Password: right, Client: visitor})
		wantReason(t, err, "email_not_verified")
		if res.Attempt.IsZero() || res.Access != nil || h.count("SELECT COUNT(*) FROM sessions") != 0 {
			t.Errorf("%+v", res)
		}
		if h.counters() != 0 {
			t.Error("the right password did not give its slot back")
		}
		box, err := h.Accounts.Mail.Inbox(h.ctx())
		if err != nil || len(box) != 1 {
			t.Fatal(box, err)
		}
		_, err = h.Accounts.Verify(h.ctx(), accounts.VerifyInput{Attempt: res.Attempt.Reveal(), Code: box[0].Code})
		if err != nil {
			t.Fatal(err)
		}
		if got := h.try("ada@example.com", right); got != "" {
			t.Error(got)
		}
	})
}

func TestAPendingSignUpIsNobody(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	_, err := h.Accounts.Register(h.ctx(), accounts.Register{Email: "ada@example.com", Password: right, Client: visitor})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.try("ada@example.com", right); got != "invalid_credentials" {
		t.Error(got)
	}
}

func TestTheAnonymousSessionDiesWithTheSignIn(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		old, err := h.Tokens.Sessions.StartAnonymous(h.ctx(), []byte("x"), visitor)
		if err != nil {
			t.Fatal(err)
		}
		res, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Web: true, Client: visitor, Anonymous: old.Session})
		if err != nil {
			t.Fatal(err)
		}
		if s, _ := h.Tokens.Sessions.ByCookie(h.ctx(), old.Cookie.Reveal()); s != nil {
			t.Error("the session of before is alive")
		}
		if res.Session.Cookie.Reveal() == old.Cookie.Reveal() || res.Session.ID == old.ID {
			t.Error("the session was not changed (fixation)")
		}
	})
}

func TestASignInThatMeetsAnEndingStartsNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		// The account is disabled after it was read and before the transaction.
		h.password = &meddling{Method: h.password, before: func() error {
			return h.Accounts.SetDisabled(h.ctx(), u.ID, true, visitor)
		}}
		if got := h.try("ada", right); got != "invalid_credentials" {
			t.Error(got)
		}
		if h.count("SELECT COUNT(*) FROM sessions") != 0 || h.count("SELECT COUNT(*) FROM refresh_families") != 0 {
			t.Error("something was started")
		}
	})
}

func TestAnOldHashIsRenewedAtSignIn(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		old, err := bcrypt.GenerateFromPassword([]byte(right), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := h.Accounts.Rehash(h.ctx(), u.ID, u.PasswordHash, string(old)); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if got := h.try("ada", wrong); got != "invalid_credentials" {
			t.Error(got)
		}
		if got := h.try("ada", right); got != "" {
			t.Error(got)
		}
		after, _ := h.Accounts.Get(h.ctx(), u.ID)
		if !strings.HasPrefix(after.PasswordHash, "$argon2id$") || after.SessionEpoch != u.SessionEpoch {
			t.Error("stored", after.PasswordHash[:10], after.SessionEpoch)
		}
		if got := h.try("ada", right); got != "" {
			t.Error("the renewed hash does not match:", got)
		}
	})
}

func TestABusyHashQueueCountsNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		m := h.counting()
		m.fail = apperr.NotNow(time.Second, nil)
		for range 3 * defaultFree {
			if got := h.try("ada", wrong); got != "unavailable" {
				t.Fatal(got)
			}
		}
		if h.tries() != 0 || h.count("SELECT COUNT(*) FROM throttle_counters WHERE next_at > 0") != 0 {
			t.Error("tries that were never looked at are counted")
		}
	}, limited(ratelimit.Login, 1, time.Hour))
}

// Recovery codes are compared one after the other: who hangs up before the last one
// has made a guess all the same.
func TestATryThatWasLookedAtCountsAlthoughItsSenderIsGone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		m := h.counting()
		m.fail, m.looked = context.Canceled, true
		for range defaultFree {
			if got := h.try("ada", wrong); got == "too_many_attempts" {
				t.Fatal(got)
			}
		}
		if got := h.try("ada", wrong); got != "too_many_attempts" {
			t.Error("guesses are free for who does not wait for the answer:", got)
		}
		if n := h.count("SELECT COUNT(*) FROM audit_events WHERE action = ?", string(audit.SignIn)); n != defaultFree+1 {
			t.Errorf("%d tries are on record, want %d", n, defaultFree+1)
		}
	})
}

// leaving is a caller that is gone after some questions about it.
type leaving struct {
	context.Context
	left atomic.Int64
}

func (c *leaving) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func TestRecoveryTellsWhenItHasComparedBeforeItsCallerLeft(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	u := h.person("ada@example.com", "ada")
	set, err := h.newCodes(h.ctx())
	if err != nil {
		t.Fatal(err)
	}
	h.enroll(accounts.Factors{User: u.ID, RecoveryCodes: set.hashes})
	m := h.method("recovery")
	untouched, looked := 0, 0
	for questions := int64(0); ; questions++ {
		ctx := &leaving{Context: h.ctx()}
		ctx.left.Store(questions)
		v, err := m.Verify(ctx, Offer{User: u, Secret: "no code of theirs"})
		switch {
		case err == nil && untouched > 0 && looked >= 10:
			return
		case err == nil:
			t.Fatalf("%d times gone before a comparison, %d times after", untouched, looked)
		case v.Looked:
			looked++
		case looked > 0:
			t.Fatal("gone later than a comparison, and it was none")
		default:
			untouched++
		}
	}
}

// The one slot is taken for about a second and the one place behind it, too.
func TestARefusalInARushOfSignInsWritesNothing(t *testing.T) {
	slow := passwords.New(passwords.Options{Concurrency: 1, Queue: 1, MaxWait: time.Minute,
		Params: passwords.Params{MemoryKiB: 64 * 1024, Time: 12, Threads: 1}})
	h := newHouse(t, testkit.DB(t), func(d *Deps) { d.Passwords = slow })
	h.person("ada@example.com", "ada")
	var rush sync.WaitGroup
	defer rush.Wait()
	for range 2 {
		rush.Go(func() { _, _ = slow.Hash(t.Context(), right) })
	}
	for slow.Ready(t.Context()) == nil {
		runtime.Gosched()
	}
	if got := h.try("ada", right); got != "busy" {
		t.Error(got)
	}
	if h.tries() != 0 || h.count("SELECT COUNT(*) FROM throttle_counters") != 0 {
		t.Error("a try that was never looked at left a row")
	}
	if err := slow.Ready(passwords.WithPriority(t.Context())); err != nil {
		t.Errorf("a known device: %v", err)
	}
	// Nothing can be read in a context that has ended.
	ended, end := context.WithCancel(h.ctx())
	end()
	fresh, other := visitor, visitor
	fresh.Fresh = accounts.NewDevice()
	fresh.Browser = fresh.Fresh
	other.Fresh, other.Browser = accounts.NewDevice(), accounts.NewDevice()
	for name, c := range map[string]struct {
		by   tokens.Client
		read bool
	}{"no cookie": {visitor, false}, "a value of this moment": {fresh, false}, "a cookie": {other, true}} {
		_, err := h.SignIn(ended, Input{Login: "ada", Password: right, Client: c.by})
		if got := apperr.Reason(err) != "busy"; got != c.read {
			t.Errorf("%s: the account is read: %v (%v)", name, got, err)
		}
	}
}

func TestANetworkIsLimited(t *testing.T) {
	h := newHouse(t, testkit.DB(t), limited(ratelimit.Login, 3, time.Minute))
	for i := range 3 {
		if got := h.try(address(i), wrong); got != "invalid_credentials" {
			t.Error(got)
		}
	}
	_, err := h.SignIn(h.ctx(), Input{Login: address(9), Password: wrong, Client: visitor})
	wantReason(t, err, "too_many_attempts")
	if apperr.From(err).RetryAfter < time.Second {
		t.Error("it doesn't say when")
	}
	elsewhere := visitor
	elsewhere.IP = "192.0.2.2"
	_, err = h.SignIn(h.ctx(), Input{Login: address(9), Password: wrong, Client: elsewhere})
	wantReason(t, err, "invalid_credentials")
}

func TestAReproofIsFreshAndSharesTheCounters(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		res, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Web: true, Client: visitor})
		if err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(time.Hour)
		for range 3 {
			_, err = h.reproof(u.ID, res.Session.ID, wrong)
			wantReason(t, err, "invalid_credentials")
		}
		if h.tries() != 2*3 || h.recorded(audit.Reauth, "invalid_credentials") != 3 {
			t.Error("tries", h.tries())
		}
		proof, err := h.reproof(u.ID, res.Session.ID, right)
		if err != nil || proof.User != u.ID || proof.Session != res.Session.ID || !proof.At.Equal(h.clock.Now()) || proof.AAL != "aal1" {
			t.Fatalf("%+v %v", proof, err)
		}
		s, _ := h.Tokens.Sessions.ByCookie(h.ctx(), res.Session.Cookie.Reveal())
		if !s.AuthTime.Equal(h.clock.Now()) || h.counters() != 0 {
			t.Error("auth_time", s.AuthTime, "counters", h.counters())
		}
		if err := h.Accounts.ChangePassword(h.ctx(), proof, "another fine horse battery", proof.Session, visitor); err != nil {
			t.Error(err)
		}
		_, err = h.reproof(u.ID, res.Session.ID, "")
		wantReason(t, err, "validation_failed")
	})
}

func TestWrongReproofsAreDelayedLikeSignIns(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	u := h.person("ada@example.com", "ada")
	res, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Client: visitor})
	if err != nil {
		t.Fatal(err)
	}
	for range defaultFree {
		_, err := h.reproof(u.ID, res.Session.ID, wrong)
		wantReason(t, err, "invalid_credentials")
	}
	_, err = h.reproof(u.ID, res.Session.ID, right)
	wantReason(t, err, "too_many_attempts")
	if got := h.try("ada", right); got != "too_many_attempts" {
		t.Error("the login page is a way around the counter:", got)
	}
}

// The roads of a sign-in to MySQL are counted because each is a wait. The 8 of a
// browser are the read, the slot, BEGIN, four statements and COMMIT; a program has
// the row of its refresh token.
func TestASignInTakesFewRoundTripsOnMySQL(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		if !strings.HasPrefix(url, "mysql:") {
			t.Skip("SQLite has no round trips")
		}
		db, err := database.Open(t.Context(), database.Options{URL: url, Clock: testkit.NewClock().Now, ReadConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, db)
		h.person("ada@example.com", "ada")
		browser := visitor
		browser.Browser = accounts.NewDevice()
		for _, c := range []struct {
			what string
			in   Input
			most int64
		}{
			{"a program", Input{Client: visitor}, 9},
			{"a known browser", Input{Client: browser, Web: true}, 8},
			{"a browser that is not", Input{Client: visitor, Web: true}, 8},
		} {
			h.signInOnce(c.in) // statements are prepared once
			before := questions(t, db)
			h.signInOnce(c.in)
			if n := questions(t, db) - before - 1; n > c.most {
				t.Errorf("%s: %d round trips, want %d", c.what, n, c.most)
			}
		}
	})
}

func (h *house) signInOnce(in Input) {
	h.t.Helper()
	in.Login, in.Password = "ada", right
	if _, err := h.SignIn(h.ctx(), in); err != nil {
		h.t.Fatal(err)
	}
}

// questions is how many statements the one connection has sent.
func questions(t *testing.T, db *database.DB) int64 {
	t.Helper()
	var row struct {
		Value int64
	}
	if err := db.Read(t.Context()).Raw("SHOW SESSION STATUS LIKE 'Questions'").Scan(&row).Error; err != nil {
		t.Fatal(err)
	}
	return row.Value
}

// meddling does something between the comparison and the transaction.
type meddling struct {
	Method
	before func() error
}

func (m *meddling) Verify(ctx context.Context, o Offer) (Verdict, error) {
	v, err := m.Method.Verify(ctx, o)
	if err == nil {
		err = m.before()
	}
	return v, err
}

func TestACallerWhoGoesAwayIsStillOnRecord(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		ctx, leave := context.WithCancel(h.ctx())
		h.password = &meddling{Method: h.password, before: func() error { leave(); return nil }}
		_, err := h.SignIn(ctx, Input{Login: "ada", Password: wrong, Client: visitor})
		wantReason(t, err, "invalid_credentials")
		if h.recorded(audit.SignIn, "invalid_credentials") != 1 || h.tries() != 2 {
			t.Error("guessing without waiting leaves no trace", h.tries())
		}
	})
}
