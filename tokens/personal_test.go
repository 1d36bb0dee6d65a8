package tokens

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/verify"
)

var visitor = Client{IP: "192.0.2.7", RequestID: "req-1"}

func (r *room) makePersonal(s Subject, scopes ...string) MadePersonal {
	r.t.Helper()
	made, err := r.Personal.Make(r.t.Context(), s.ID, NewPersonal{Name: "backup", Scopes: scopes}, visitor)
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

func (r *room) wantInactive(token string) {
	r.t.Helper()
	if p, err := r.Personal.Introspect(r.t.Context(), token); !errors.Is(err, verify.ErrInactive) {
		r.t.Fatalf("got %+v and %v, want it to be inactive", p, err)
	}
}

func (r *room) wantActive(token string) *verify.Principal {
	r.t.Helper()
	p, err := r.Personal.Introspect(r.t.Context(), token)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// Security rule 12: no token without the notice, and no notice without the token.
func TestTheNoticeOfAPersonalTokenIsOfItsTransaction(t *testing.T) {
	eachRoom(t, func(t *testing.T, first *room) {
		var told []string
		var fault error
		broken := errors.New("no")
		r := first.another(func(d *Deps) {
			d.Alarm = func(_ *gorm.DB, user models.ID, what string) error {
				told = append(told, user.String()+" "+what)
				return fault
			}
		})
		anna := r.person("anna")
		made := r.makePersonal(anna, "profile:read")
		if want := anna.ID.String() + " personal_made"; len(told) != 1 || told[0] != want {
			t.Errorf("told %q, want %q", told, want)
		}
		if _, err := r.Personal.End(t.Context(), anna.ID, made.ID, WhyEnded, visitor); err != nil || len(told) != 1 {
			t.Errorf("the end: %v, told %q", err, told)
		}
		fault = broken
		if _, err := r.Personal.Make(t.Context(), anna.ID, NewPersonal{Name: "x", Scopes: []string{"profile:read"}}, visitor); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if list, err := r.Personal.List(t.Context(), anna.ID); err != nil || len(list) != 0 {
			t.Errorf("made without a notice: %v, %v", list, err)
		}
	})
}

func TestAPersonalTokenSaysWhoAndWhatAndNothingElse(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		made := r.makePersonal(anna, "sessions:read", "app:orders:read", "sessions:read")
		text := made.Token.Reveal()
		if !verify.WellFormedPersonal(text) || !strings.HasPrefix(text, "gh_pat_") || len(text) != 56 {
			t.Errorf("made %q", text)
		}
		p := r.wantActive(text)
		if p.Sub != anna.ID || p.JTI != made.ID || p.SessionID != "" || !p.Personal || !p.AuthTime.IsZero() || p.ACR != "" ||
			!slices.Equal(p.Scope, []string{"app:orders:read", "sessions:read"}) || !slices.Equal(p.Roles, []string{"member"}) || p.Generation != 1 {
			t.Errorf("got %+v", p)
		}
		if want := r.clock.Now().Add(PersonalLife); !p.ExpiresAt.Equal(want) {
			t.Errorf("it ends at %v, want %v", p.ExpiresAt, want)
		}
		if n := r.count("SELECT COUNT(*) FROM personal_tokens WHERE token_hash = ?", []byte(text)); n != 0 {
			t.Error("the database holds the token itself")
		}
		if n := r.count("SELECT COUNT(*) FROM audit_events WHERE action = 'personal_token.made' AND subject_id = ?", anna.ID); n != 1 {
			t.Errorf("%d audit rows", n)
		}
	})
}

func TestWhatIsNoPersonalTokenIsRefusedBeforeAnyQuery(t *testing.T) {
	r := newRoom(t, testkit.DB(t))
	good := r.makePersonal(r.person("anna"), ScopeProfileRead).Token.Reveal()
	service := addService(t, r.Services, "orders").Reveal()
	r.exec("ALTER TABLE personal_tokens RENAME TO elsewhere")
	for _, bad := range []string{
		"", "gh_pat_", good[:len(good)-1], good + "0", good[:20] + "!" + good[21:], strings.ToUpper(good), " " + good,
		swapAt(good, 10), swapAt(good, len(good)-1), "gh_rt_" + good[7:], "gh_pat_" + service[6:], strings.Replace(good, "gh_pat_", "gh_pat-", 1),
	} {
		if verify.WellFormedPersonal(bad) {
			t.Errorf("%q is called well-formed", bad)
		}
		r.wantInactive(bad) // a query would fail: there is no table
	}
	if _, err := r.Personal.Introspect(t.Context(), good); err == nil || refused(err) {
		t.Errorf("without its table: got %v, want a fault", err)
	}
}

// swapAt changes one digit.
func swapAt(s string, i int) string {
	other := "a"
	if s[i] == 'a' {
		other = "b"
	}
	return s[:i] + other + s[i+1:]
}

func TestATokenOfTheRightFormThatNobodyMadeIsInactive(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		r.makePersonal(r.person("anna"), ScopeProfileRead)
		r.wantInactive(newPersonalSecret())
	})
}

func TestAPersonalTokenEndsAtItsEndAndIsTrimmed(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		made, err := r.Personal.Make(t.Context(), anna.ID, NewPersonal{Name: "x", Scopes: []string{"app:a"}, ExpiresAt: r.clock.Now().Add(time.Second)}, visitor)
		if err != nil {
			t.Fatal(err)
		}
		r.wantActive(made.Token.Reveal())
		r.clock.Advance(time.Second)
		r.wantInactive(made.Token.Reveal())
		if list, err := r.Personal.List(t.Context(), anna.ID); err != nil || len(list) != 0 {
			t.Errorf("listed %v, %v", list, err)
		}
		if ended, err := r.Personal.End(t.Context(), anna.ID, made.ID, WhyEnded, visitor); ended || err != nil {
			t.Errorf("an expired token ended: %v, %v", ended, err)
		}
		if err := r.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := r.count("SELECT COUNT(*) FROM personal_tokens"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestEndingAPersonalTokenIsFinalAndOnRecord(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna, ben := r.person("anna"), r.person("ben")
		made := r.makePersonal(anna, ScopeProfileRead)
		p := r.wantActive(made.Token.Reveal())
		if ended, err := r.Personal.End(t.Context(), ben.ID, made.ID, WhyEnded, visitor); ended || err != nil {
			t.Fatalf("somebody else ended it: %v, %v", ended, err)
		}
		r.wantActive(made.Token.Reveal())
		if won := race(t, func() bool {
			ended, err := r.Personal.End(t.Context(), anna.ID, made.ID, WhyEnded, visitor)
			if err != nil {
				t.Error(err)
			}
			return ended
		}); won != 1 {
			t.Errorf("%d of %d ended it", won, rivals)
		}
		r.wantInactive(made.Token.Reveal())
		if !r.Log.Revoked(p) {
			t.Error("an answer that is remembered is still good here")
		}
		if n := r.count("SELECT COUNT(*) FROM audit_events WHERE action = 'personal_token.ended'"); n != 1 {
			t.Errorf("%d audit rows", n)
		}
	})
}

func TestTheOwnerIsJudgedAtEveryUse(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		text := r.makePersonal(anna, ScopeProfileRead).Token.Reveal()
		r.exec("UPDATE users SET roles = 'owner', token_epoch = token_epoch + 1 WHERE id = ?", anna.ID)
		if p := r.wantActive(text); !slices.Equal(p.Roles, []string{"owner"}) || p.Generation != 2 {
			t.Errorf("the roles are not those of now: %+v", p)
		}
		r.exec("UPDATE users SET disabled_at = 1 WHERE id = ?", anna.ID)
		r.wantInactive(text)
		if _, err := r.Personal.Make(t.Context(), anna.ID, NewPersonal{Name: "x", Scopes: []string{"app:a"}}, visitor); apperr.From(err).Kind != apperr.Unauthenticated {
			t.Errorf("a disabled person made one: %v", err)
		}
		r.exec("UPDATE users SET disabled_at = NULL WHERE id = ?", anna.ID)
		r.wantActive(text)
		r.exec("DELETE FROM users WHERE id = ?", anna.ID)
		r.wantInactive(text)
	})
}

func TestNobodyHasMoreThanFiftyPersonalTokens(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		var first MadePersonal
		for i := range PersonalMost - 20 {
			if made := r.makePersonal(anna, ScopeProfileRead); i == 0 {
				first = made
			}
		}
		try := func() bool {
			_, err := r.Personal.Make(t.Context(), anna.ID, NewPersonal{Name: "x", Scopes: []string{"app:a"}}, visitor)
			if err != nil && apperr.Reason(err) != "too_many_tokens" {
				t.Error(err)
			}
			return err == nil
		}
		if won := race(t, try); won != 20 {
			t.Errorf("%d more were made, want 20", won)
		}
		if n := r.count("SELECT COUNT(*) FROM personal_tokens WHERE user_id = ?", anna.ID); n != PersonalMost {
			t.Errorf("%d rows", n)
		}
		if ended, err := r.Personal.End(t.Context(), anna.ID, first.ID, WhyEnded, visitor); !ended || err != nil {
			t.Fatal(ended, err)
		}
		if !try() || try() {
			t.Error("an ended token does not make room for exactly one")
		}
		r.clock.Advance(PersonalLife)
		if !try() {
			t.Error("expired tokens take up room")
		}
	})
}

func TestTokensThatAreMadeAndEndedInALoopHaveAnEnd(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna, bert := r.person("anna"), r.person("bert")
		for range PersonalAnHour {
			made := r.makePersonal(anna, ScopeProfileRead)
			if ended, err := r.Personal.End(t.Context(), anna.ID, made.ID, WhyEnded, visitor); !ended || err != nil {
				t.Fatal(ended, err)
			}
		}
		_, err := r.Personal.Make(t.Context(), anna.ID, NewPersonal{Name: "x", Scopes: []string{"app:a"}}, visitor)
		if e := apperr.From(err); e == nil || e.Kind != apperr.Throttled || e.RetryAfter <= 0 {
			t.Errorf("got %v", err)
		}
		r.makePersonal(bert, ScopeProfileRead)
		r.clock.Advance(time.Hour + time.Second)
		r.makePersonal(anna, ScopeProfileRead)
	})
}

func TestWhatIsChosenForAPersonalTokenIsChecked(t *testing.T) {
	r := newRoom(t, testkit.DB(t))
	anna, now := r.person("anna"), r.clock.Now()
	for what, c := range map[string]struct {
		in            NewPersonal
		field, reason string
	}{
		"no name":           {NewPersonal{Name: "  ", Scopes: []string{"app:a"}}, "name", "required"},
		"a long name":       {NewPersonal{Name: strings.Repeat("ü", 65), Scopes: []string{"app:a"}}, "name", "too_long"},
		"a control in it":   {NewPersonal{Name: "a\u202eb", Scopes: []string{"app:a"}}, "name", "unusable"},
		"bytes that are no": {NewPersonal{Name: "a\xff", Scopes: []string{"app:a"}}, "name", "unusable"},
		"no scope":          {NewPersonal{Name: "x"}, "scopes", "required"},
		"a strange scope":   {NewPersonal{Name: "x", Scopes: []string{"profile:read", "admin"}}, "scopes", "unknown_scope"},
		"everything":        {NewPersonal{Name: "x", Scopes: []string{"account"}}, "scopes", "unknown_scope"},
		"two in one":        {NewPersonal{Name: "x", Scopes: []string{"app:a account"}}, "scopes", "unknown_scope"},
		"an empty one":      {NewPersonal{Name: "x", Scopes: []string{""}}, "scopes", "unknown_scope"},
		"in capitals":       {NewPersonal{Name: "x", Scopes: []string{"app:A"}}, "scopes", "unknown_scope"},
		"a quote":           {NewPersonal{Name: "x", Scopes: []string{`app:"`}}, "scopes", "unknown_scope"},
		"a long one":        {NewPersonal{Name: "x", Scopes: []string{"app:" + strings.Repeat("a", 37)}}, "scopes", "unknown_scope"},
		"many":              {NewPersonal{Name: "x", Scopes: strings.Fields(strings.Repeat("app:a ", 3) + "app:b app:c app:d app:e app:f app:g app:h app:i app:j app:k app:l app:m app:n app:o app:p app:q app:r app:s app:t app:u")}, "scopes", "too_many"},
		"over already":      {NewPersonal{Name: "x", Scopes: []string{"app:a"}, ExpiresAt: now}, "expires_at", "in_the_past"},
		"too far":           {NewPersonal{Name: "x", Scopes: []string{"app:a"}, ExpiresAt: now.Add(PersonalLongest + time.Second)}, "expires_at", "too_far"},
		"for ever":          {NewPersonal{Name: "x", Scopes: []string{"app:a"}, ExpiresAt: now.AddDate(5000, 0, 0)}, "expires_at", "too_far"},
	} {
		_, err := r.Personal.Make(t.Context(), anna.ID, c.in, visitor)
		if e := apperr.From(err); e == nil || len(e.Fields) != 1 || e.Fields[c.field].Reason != c.reason {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if n := r.count("SELECT COUNT(*) FROM personal_tokens"); n != 0 {
		t.Errorf("%d were made", n)
	}
	if _, err := r.Personal.Make(t.Context(), anna.ID, NewPersonal{Name: "Größe 2", Scopes: PersonalScopes(), ExpiresAt: now.Add(PersonalLongest)}, visitor); err != nil {
		t.Error(err)
	}
}

func TestTheUseOfATokenIsWrittenOnceAMinuteAndOffTheRequest(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		made := r.makePersonal(anna, ScopeProfileRead)
		used := func() models.PersonalToken {
			if err := r.Personal.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			list, err := r.Personal.List(t.Context(), anna.ID)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			return list[0]
		}
		if !used().LastUsedAt.IsZero() {
			t.Error("it was never used")
		}
		r.Personal.Used(Use{Token: made.ID, IP: "192.0.2.1\x00" + strings.Repeat("9", 90)})
		first := used()
		if !first.LastUsedAt.Equal(r.clock.Now()) || !strings.HasPrefix(first.LastUsedIP, "192.0.2.19") || len(first.LastUsedIP) != maxIP {
			t.Errorf("got %+v", first)
		}
		r.clock.Advance(59 * time.Second)
		r.Personal.Used(Use{Token: made.ID, Via: "orders"})
		if again := used(); again.LastUsedVia != "" {
			t.Error("two writes within a minute")
		}
		r.clock.Advance(time.Second)
		r.Personal.Used(Use{Token: made.ID, Via: "orders"})
		if last := used(); last.LastUsedVia != "orders" || last.LastUsedIP != "" || !last.LastUsedAt.Equal(r.clock.Now()) {
			t.Errorf("got %+v", last)
		}
	})
}

func TestManyUsesTakeBoundedMemory(t *testing.T) {
	r := newRoom(t, testkit.DB(t))
	for range maxUses + 10 {
		r.Personal.Used(Use{Token: models.NewID()})
	}
	if n := len(r.Personal.uses.take()); n != maxUses {
		t.Errorf("%d uses wait", n)
	}
}

func TestAFaultOfTheDatabaseIsNoVerdict(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		r := newRoom(t, db)
		text := r.makePersonal(r.person("anna"), ScopeProfileRead).Token.Reveal()
		r.write(func(tx *gorm.DB) error { return tx.Exec("ALTER TABLE personal_tokens RENAME TO elsewhere").Error })
		if _, err := r.Personal.Introspect(t.Context(), text); err == nil || refused(err) || apperr.From(err).Kind != apperr.Unavailable {
			t.Errorf("got %v", err)
		}
		_, err := r.Personal.Make(t.Context(), models.NewID(), NewPersonal{Name: "x", Scopes: []string{"app:a"}}, visitor)
		if err == nil {
			t.Error("a token was made without a table")
		}
	})
}

func FuzzAPersonalTokenHasOneForm(f *testing.F) {
	good := newPersonalSecret()
	for _, seed := range []string{good, "", "gh_pat_", good[:55], good + "a", swapAt(good, 30), "gh_rt_" + good[7:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		hash, ok := personalHash(s)
		if ok != verify.WellFormedPersonal(s) || ok && (len(s) != 56 || len(hash) != 32) {
			t.Errorf("%q: %v", s, ok)
		}
		for i := 0; ok && i < len(s); i++ {
			if verify.WellFormedPersonal(swapAt(s, i)) {
				t.Errorf("a change at %d goes unseen", i)
			}
		}
	})
}
