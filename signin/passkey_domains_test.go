package signin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/models"
	"gatehouse/tokens"
)

func TestOlderDomainsAreThoseThatABrowserMayBeAskedFor(t *testing.T) {
	for address, one := range map[string]struct {
		related string
		want    string
	}{
		"http://localhost:5000":         {},
		"http://127.0.0.1:5000":         {related: "https://old.example"},
		"https://example.net":           {},
		"https://login.example.net":     {want: "example.net"},
		"https://a.b.example.net":       {want: "b.example.net example.net"},
		"https://LOGIN.example.net:444": {related: "https://Login.old.example/ junk https://login.example.net https://[::1]:1", want: "example.net login.old.example old.example"},
	} {
		if got := strings.Join(olderDomains(address, strings.Fields(one.related)), " "); got != one.want {
			t.Errorf("%s: %q, want %q", address, got, one.want)
		}
	}
}

// Level 3, sections 5.1.3 and 5.11: the passkeys of a parent domain, and those of
// the domain before a move, sign in alone, when somebody says that theirs is one.
func TestAPasskeyOfADomainOfBeforeSignsInAlone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		moved(h)
		if _, err := h.keys.BeginSignIn(h.ctx(), browser, visitor.IP, "old.example"); !errDomain.Is(err) {
			t.Errorf("nobody has one yet: %v", err)
		}
		h.clock.Advance(domainsKept)
		l := h.lodger("ada", stock{keys: "bg", verified: true})
		list, err := h.keys.OldDomains(h.ctx())
		if err != nil || !slices.Equal(list, []string{"old.example"}) {
			t.Fatal(list, err)
		}
		for _, domain := range []string{"gone.example", "example", "net", "evil.example", "OLD.example", " "} {
			_, err := h.keys.BeginSignIn(h.ctx(), browser, visitor.IP, domain)
			wantReason(t, err, "validation_failed")
		}
		options := h.options(h.keys.BeginSignIn(h.ctx(), browser, visitor.IP, "old.example"))
		if !strings.Contains(string(options), `"rpId":"old.example"`) || strings.Contains(string(options), "allowCredentials") {
			t.Errorf("the options are %s", options)
		}
		for _, a := range l.held {
			res, err := h.withPasskey(a.Get(h.options(h.keys.BeginSignIn(h.ctx(), browser, visitor.IP, "old.example"))))
			if a.RPID == "old.example" && (err != nil || res.Session.Session.ACR != AAL2) {
				t.Errorf("%s: %v", a.RPID, err)
			}
		}
		// A page of the old address is none of ours any more but the related one.
		for _, a := range l.held {
			a.Origin = "https://gone.example"
			_, err := h.withPasskey(a.Get(h.options(h.keys.BeginSignIn(h.ctx(), browser, visitor.IP, "old.example"))))
			wantReason(t, err, "passkey_refused")
		}
	}, func(d *Deps) { d.Accounts.Config.EmailVerification = accounts.VerificationOptional })
}

func TestSomebodyWithPasskeysOfTwoDomainsIsAskedForEither(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		moved(h)
		l := h.lodger("ada", stock{password: true, keys: "bo", verified: true})
		list, err := h.keys.List(h.ctx(), l.user.ID)
		if err != nil || !slices.Equal(DomainsOf(list, h.keys.RPID()), []string{"id.example.net", "old.example"}) {
			t.Error(DomainsOf(list, h.keys.RPID()), err)
		}
		for _, a := range l.held {
			res := h.halfway("ada")
			w, _ := h.Waiting(h.ctx(), res.Attempt.Reveal(), false)
			done, err := h.carryOn(res.Attempt, a.Get(h.options(h.keys.BeginSecond(h.ctx(), w, a.RPID))))
			if err != nil {
				t.Fatalf("%s: %v", a.RPID, err)
			}
			if _, err := h.stepUp(l.user, done.Session.ID, a.Get(h.options(h.keys.BeginStepUp(h.ctx(), l.user.ID, done.Session.ID, a.RPID)))); err != nil {
				t.Errorf("%s: %v", a.RPID, err)
			}
			_, err = h.keys.BeginStepUp(h.ctx(), l.user.ID, done.Session.ID, "gone.example")
			wantReason(t, err, "validation_failed")
		}
	})
}

// proveBy shows one of the ways of a session.
func (l *lodger) proveBy(session models.ID, way string) error {
	l.t.Helper()
	r := Reproof{User: l.user.ID, Session: session, Method: way, Client: visitor}
	switch way {
	case "password":
		r.Secret = right
	case "totp":
		r.Secret = l.codeAt(0)
	case "passkey":
		for _, a := range l.held {
			r.Response = &PasskeyAnswer{Credential: a.Get(l.options(l.house.keys.BeginStepUp(l.ctx(), l.user.ID, session, a.RPID)))}
		}
	}
	_, _, err := l.Reauth(l.ctx(), r)
	return err
}

// proved follows what is offered, the first way at first, and reports whether
// that reached what changes of the account want, and what was offered last.
func (l *lodger) proved(session models.ID) (reached bool, ways []string) {
	l.t.Helper()
	used := map[string]bool{}
	for range 3 {
		l.clock.Advance(time.Minute)
		s, err := l.Tokens.Sessions.ByID(l.ctx(), session)
		if err != nil {
			l.t.Fatal(err)
		}
		proof := tokens.Proof{User: s.UserID, Session: s.ID, At: s.AuthTime.Time, AAL: s.ACR}
		if l.Accounts.StepUp(l.ctx(), proof) == nil {
			return true, ways
		}
		if ways, err = l.Ways(l.ctx(), &tokens.Session{Session: *s}); err != nil {
			l.t.Fatal(err)
		}
		at := slices.IndexFunc(ways, func(name string) bool { return !used[name] })
		if at < 0 {
			return false, ways
		}
		used[ways[at]] = true
		if err := l.proveBy(session, ways[at]); err != nil {
			l.t.Errorf("%v: %s of %v: %v", l.has, ways[at], ways, err)
		}
	}
	return false, ways
}

// Every account, come in by every way, an hour ago: what is offered reaches what
// changes of the account want. Where nothing is offered there is nothing that
// could: a fresh sign-in does, or a password has to be set first.
func TestEverySessionOfEveryAccountHasAWayToAProof(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		moved(h)
		nowhere := map[string]int{}
		for _, s := range stocks() {
			if s.codes || len(s.keys) > 1 || !s.verified {
				continue // none of these is a proof, or another than one passkey
			}
			l := h.lodger("p"+models.NewID().String()[24:], s)
			for name, session := range l.entrances() {
				h.clock.Advance(time.Hour)
				reached, ways := l.proved(session)
				switch {
				case reached:
				case len(ways) > 0 || s.password || s.keys != "":
					t.Errorf("%v, come in by %s: it ends at %v", s, name, ways)
				default:
					nowhere[name]++
				}
			}
		}
		if nowhere["a mailed code"] != 2 || len(nowhere) != 1 {
			t.Errorf("nothing is offered after %v", nowhere)
		}
	}, func(d *Deps) {
		d.Accounts.Config.MailPerAddress.N = 100
		d.Methods = append(d.Methods, NewEmailCode(d.Accounts, d.Tokens.Links))
	})
}

// entrances are sessions of an account, one for each way in.
func (l *lodger) entrances() map[string]models.ID {
	l.t.Helper()
	in := map[string]models.ID{}
	note := func(name string, res Result, err error) {
		l.clock.Advance(time.Minute)
		if res, err = l.finished(res, err); err == nil {
			in[name] = res.Session.ID
		}
	}
	for _, a := range l.held {
		options, err := l.house.keys.BeginSignIn(l.ctx(), browser, visitor.IP, a.RPID)
		if err != nil {
			continue
		}
		res, err := l.withPasskey(a.Get(l.options(options, err)))
		note("a passkey", res, err)
	}
	res, err := l.SignIn(l.ctx(), Input{Login: l.login, Password: right, Client: visitor})
	note("the password", res, err)
	res, err = l.byMail()
	note("a mailed code", res, err)
	return in
}
