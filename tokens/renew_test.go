package tokens

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/models"
	"gatehouse/verify"
)

// rewound are the tables that a backup brings back; the audit record is left
// alone, so that tests can read it.
var rewound = []string{"revocation_batches", "revocation_outbox", "deployment", "past_logs", "nodes", "sessions",
	"refresh_families", "one_time_tokens", "users", "signing_keys", "key_slots", "personal_tokens"}

// node is a further process on the database of r, with a ring of its own.
func (r *room) node() *room {
	r.t.Helper()
	ring, err := keys.Open(r.t.Context(), keys.Options{DB: r.db, Box: r.deps.Box, Audit: r.deps.Audit, Clock: r.clock.Now, Alg: "ES256"})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.another(func(d *Deps) { d.Keys = ring })
}

// saved copies the tables, as a backup does.
func (r *room) saved() {
	r.t.Helper()
	for _, table := range rewound {
		r.exec("CREATE TABLE backup_" + table + " AS SELECT * FROM " + table)
	}
}

// rewind puts the copy back under the running nodes.
func (r *room) rewind(tables ...string) {
	r.t.Helper()
	r.write(func(tx *gorm.DB) error {
		for _, table := range tables {
			err := errors.Join(tx.Exec("DELETE FROM "+table).Error, tx.Exec("INSERT INTO "+table+" SELECT * FROM backup_"+table).Error)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// turn is one round of the loops of a node. Errors are what the loops log.
func (r *room) turn() {
	r.t.Helper()
	if err := errors.Join(r.Log.beat(r.t.Context()), r.Log.poll(r.t.Context())); err != nil {
		r.t.Log(err)
	}
	for range 3 {
		if _, err := r.Log.seal(r.t.Context()); err != nil && !errors.Is(err, errRival) {
			r.t.Fatal(err)
		}
	}
}

// refuses tells whether this node refuses an access token, by its key or by
// the log.
func (r *room) refuses(token AccessToken) bool {
	r.t.Helper()
	p, err := r.verifierOf(r.deps.Keys).Verify(r.t.Context(), token.Token.Reveal())
	return err != nil || r.Log.Revoked(p)
}

// followerRefuses is what a service says that kept every key it ever saw.
func (r *room) followerRefuses(p *verify.Principal) bool { return r.Log.Revoked(p) }

// renewed fails unless the log began anew once, for one of these reasons.
func (r *room) renewed(whys ...string) {
	r.t.Helper()
	all := r.count("SELECT COUNT(*) FROM audit_events WHERE action = 'database.went_back'")
	if n := r.count("SELECT COUNT(*) FROM audit_events WHERE action = 'database.went_back' AND reason IN (?)", whys); n != 1 || all != 1 {
		r.t.Errorf("the log began anew %d times, %d of them for %q", all, n, whys)
	}
	if r.count("SELECT COUNT(*) FROM past_logs p JOIN deployment d ON d.log_id = p.next_log_id WHERE p.why IN (?)", whys) == 0 {
		r.t.Error("nothing leads to the log of today")
	}
}

func (r *room) notRenewed() {
	r.t.Helper()
	if n := r.count("SELECT COUNT(*) FROM audit_events WHERE action = 'database.went_back'"); n != 0 {
		r.t.Errorf("a false alarm: the log began anew %d times", n)
	}
}

// past is a person's whole past that ended after the backup.
type past struct {
	personal         string
	browser          Started
	refresh          string
	access, disabled AccessToken
	link             string
	key              *verify.Principal
}

// lives and ends: sessions, tokens, a link and a signing key, all of which are
// in the backup as if nothing had ended.
func (r *room) lives() past {
	r.t.Helper()
	ctx := r.t.Context()
	anna, ole := r.person("anna"), r.person("ole")
	p := past{browser: r.browser(anna), link: r.mailed().Token.Reveal()}
	personal := r.makePersonal(anna, "sessions:read")
	p.personal = personal.Token.Reveal()
	var session models.ID
	session, p.refresh = r.family(anna)
	_, other := r.family(ole)
	first, err := r.rotate(p.refresh)
	if err != nil {
		r.t.Fatal(err)
	}
	p.access, p.refresh = first.Access, first.Refresh.Token.Reveal()
	p.key = r.principal(p.access)
	r.saved()
	second, err := r.rotate(other)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, id := range []models.ID{session, p.browser.ID} {
		if _, err := r.Sessions.End(ctx, anna.ID, id, "", Client{}); err != nil {
			r.t.Fatal(err)
		}
	}
	if _, err := r.consume(VerifyEmail, p.link); err != nil {
		r.t.Fatal(err)
	}
	if ended, err := r.Personal.End(ctx, anna.ID, personal.ID, "", Client{}); err != nil || !ended {
		r.t.Fatal(ended, err)
	}
	if err := r.RevokeKeys(ctx, []string{r.deps.Keys.Signer().KID}); err != nil {
		r.t.Fatal(err)
	}
	r.exec("UPDATE users SET token_epoch = 9, session_epoch = 9 WHERE id = ?", ole.ID)
	_, third := r.family(Subject{ID: ole.ID, Enabled: true, Roles: "member", TokenEpoch: 9, SessionEpoch: 9})
	late, err := r.rotate(third)
	if err != nil {
		r.t.Fatal(err)
	}
	if gen := r.principal(late.Access).Generation; gen != 9 {
		r.t.Fatalf("the epoch is %d", gen)
	}
	p.disabled = late.Access
	_ = second
	return p
}

func TestADatabaseThatWentBackUnderRunningNodesRevivesNothing(t *testing.T) {
	eachRoom(t, func(t *testing.T, a *room) {
		b := a.node()
		p := a.lives()
		for range 3 {
			a.turn()
			b.turn()
		}
		if !a.refuses(p.access) || !b.refuses(p.access) {
			t.Fatal("the ending did not arrive")
		}
		late := a.principal(p.disabled)
		a.rewind(rewound...)
		for range 4 { // one of them finds out, the other follows with its next poll
			b.turn()
			a.turn()
		}
		a.renewed(WhyLog, WhyBeat)
		for name, n := range map[string]*room{"the one": a, "the other": b} {
			if err := n.Log.Ready(); err != nil {
				t.Errorf("%s node is not ready: %v", name, err)
			}
			if !n.refuses(p.access) || !n.followerRefuses(p.key) {
				t.Errorf("%s node accepts a token of an ended session", name)
			}
			if !n.refuses(p.disabled) || !n.followerRefuses(late) {
				t.Errorf("%s node accepts a token of a future that is lost", name)
			}
			if n.live(p.browser.Cookie.Reveal()) != nil {
				t.Errorf("%s node knows the cookie of an ended session", name)
			}
			if _, err := n.rotate(p.refresh); !errors.Is(err, ErrInvalidGrant) {
				t.Errorf("%s node says %v to an ended family", name, err)
			}
			n.wantInactive(p.personal)
			if _, err := n.consume(VerifyEmail, p.link); !errors.Is(err, ErrLink) {
				t.Errorf("%s node says %v to a used link", name, err)
			}
		}
		if a.Log.logID != b.Log.logID {
			t.Error("the nodes follow two logs")
		}
		a.goesOn(b)
	})
}

// goesOn fails unless people can sign in again, and be signed out.
func (r *room) goesOn(other *room) {
	r.t.Helper()
	session, refresh := r.family(r.person("ingrid"))
	answer, err := other.rotate(refresh)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.refuses(answer.Access) || other.refuses(answer.Access) {
		r.t.Error("a new token is refused")
	}
	if _, err := r.Sessions.End(r.t.Context(), answer.User, session, "", Client{}); err != nil {
		r.t.Fatal(err)
	}
	for range 3 {
		r.turn()
		other.turn()
	}
	if !r.refuses(answer.Access) || !other.refuses(answer.Access) {
		r.t.Error("an ending of the new log does not arrive")
	}
	if err := errors.Join(r.Log.Ready(), other.Log.Ready()); err != nil {
		r.t.Error(err)
	}
}

func TestABeatThatIsLostBeginsTheLogAnew(t *testing.T) {
	a := newRoom(t, testkit.Open(t, testkit.MySQLURL(t), testkit.NewClock().Now))
	b := a.node()
	a.turn()
	b.turn()
	a.saved()
	a.turn()
	a.turn()
	a.rewind(rewound...) // nothing was revoked meanwhile: only the beats tell
	for range 4 {
		a.clock.Advance(time.Second)
		a.turn()
		b.turn()
	}
	a.renewed(WhyBeat)
	a.goesOn(b)
}

func TestAGenuineRefreshTokenOfTheFutureEndsEverythingOnce(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		session, first := r.family(r.person("anna"))
		other, _ := r.family(r.person("ole"))
		r.saved()
		second := r.refreshed(first)
		r.rewind("refresh_families")
		var all sync.WaitGroup
		for range rivals {
			all.Go(func() {
				if _, err := r.rotate(second); !errors.Is(err, ErrInvalidGrant) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		r.renewed(WhyRefresh)
		if r.alive(session) || r.alive(other) {
			t.Error("a session lives on")
		}
		r.goesOn(r)
	})
}

func TestATokenThatOnlyLooksLikeTheFutureEndsNothing(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		session, first := r.family(r.person("anna"))
		token, _ := r.Refresh.key().parse(first)
		forged := refreshKey("a key that a stranger made up, 32").token(token.family, 9, make([]byte, refreshSecret))
		if _, err := r.rotate(string(forged.text)); !errors.Is(err, ErrInvalidGrant) {
			t.Errorf("got %v", err)
		}
		b := r.node()
		for range 20 { // a refresh on one node right after the other
			next := r.refreshed(first)
			if first = b.refreshed(next); !r.alive(session) {
				t.Fatal("an honest family ended")
			}
			r.clock.Advance(time.Minute)
		}
		r.notRenewed()
	})
}

func TestAGenuineCursorBeyondTheLogBeginsItAnew(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		ahead := r.Feed.cursor(r.Log.logID, 3)
		stranger := []byte(ahead)
		stranger[len(stranger)-2] ^= 1
		if _, err := r.Feed.Open(t.Context(), models.ID{1}, string(stranger), nil); !errors.Is(err, ErrCursor) {
			t.Errorf("got %v", err)
		}
		r.notRenewed()
		for range 2 { // the second is of the log before
			if _, err := r.Feed.Open(t.Context(), models.ID{1}, ahead, nil); !errors.Is(err, ErrCursor) {
				t.Errorf("got %v", err)
			}
		}
		r.renewed(WhyCursor)
		if apperr.From(ErrCursor).Kind != apperr.Expired {
			t.Error("not 410")
		}
	})
}

func TestALogThatWasLeftDoesNotComeBack(t *testing.T) {
	eachRoom(t, func(t *testing.T, a *room) {
		b := a.node()
		session, refresh := a.family(a.person("anna"))
		a.saved()
		if _, err := a.Restored(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			a.turn()
			b.turn()
		}
		a.renewed(WhyRestored)
		a.exec("DELETE FROM audit_events")
		a.rewind(rewound...) // the same backup once more: its log is the one that was left
		for range 3 {
			a.turn()
			b.turn()
		}
		a.renewed(WhyOtherLog)
		if _, err := b.rotate(refresh); !errors.Is(err, ErrInvalidGrant) || a.alive(session) {
			t.Errorf("got %v", err)
		}
		a.goesOn(b)
	})
}

func TestAReplicaThatLagsIsNoAlarm(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		sealed(t, r.Log, 2)
		poll(t, r.Log)
		stale := func(cause error) pollStep { return func(context.Context, *gorm.DB, *view) error { return cause } }
		for _, cause := range []error{errBehind, errOtherLog} {
			if err := r.Log.pollIn(t.Context(), r.Log.readBeat, stale(cause)); !errors.Is(err, cause) || r.Log.Ready() == nil {
				t.Errorf("got %v", err)
			}
			poll(t, r.Log)
			if err := r.Log.Ready(); err != nil {
				t.Error(err)
			}
		}
		for name, e := range map[string]Evidence{
			"beat": {holds: r.Log.beatIsLost}, "log": {holds: r.Log.peakIsGone}, "cursor": {holds: endsBefore(2)},
		} {
			if renewed, err := r.Log.Suspect(t.Context(), e); renewed || err != nil {
				t.Errorf("%s: %v, %v", name, renewed, err)
			}
		}
		r.notRenewed()
	})
}

func TestThirtyTwoThatFindOutAtOnceBeginOneLog(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		nodes := []*room{r, r.node(), r.node(), r.node()}
		session, _ := r.family(r.person("anna"))
		e := Evidence{Why: WhyCursor, Log: r.Log.logID, holds: endsBefore(3)}
		var all sync.WaitGroup
		for i := range rivals {
			all.Go(func() {
				renewed, err := nodes[i%len(nodes)].Log.Suspect(t.Context(), e)
				if err != nil || !renewed {
					t.Errorf("%v, %v", renewed, err)
				}
			})
		}
		all.Wait()
		r.renewed(WhyCursor)
		if r.alive(session) {
			t.Error("a session lives on")
		}
		r.goesOn(nodes[3])
	})
}

// A node that has not noticed yet goes on sealing: its batch must not spoil the
// chain of the new log, which would look like one more step back in time.
func TestASealerThatDoesNotKnowYetContinuesTheNewLog(t *testing.T) {
	eachRoom(t, func(t *testing.T, a *room) {
		b := a.node()
		sealed(t, b.Log, 2)
		poll(t, a.Log)
		if _, err := a.Restored(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		sealed(t, b.Log, 2)
		for range 3 {
			a.turn()
			b.turn()
		}
		a.renewed(WhyRestored)
		a.goesOn(b)
	})
}

func TestSessionsThatAreKeptGoOnAndLinksAndTokensDoNot(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		browser, link := r.browser(anna), r.mailed().Token.Reveal()
		session, refresh := r.family(anna)
		since, ahead := r.family(r.person("ole"))
		answer, err := r.rotate(refresh)
		if err != nil {
			t.Fatal(err)
		}
		r.saved()
		ahead = r.refreshed(ahead) // after the backup
		r.rewind("refresh_families")
		if _, err := r.Restored(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		r.turn()
		r.renewed(WhyRestored)
		if !r.refuses(answer.Access) {
			t.Error("an access token outlived its key")
		}
		if _, err := r.consume(VerifyEmail, link); !errors.Is(err, ErrLink) {
			t.Errorf("a link: %v", err)
		}
		if r.live(browser.Cookie.Reveal()) == nil {
			t.Error("the browser is signed out")
		}
		r.refreshed(answer.Refresh.Token.Reveal())
		// A family that went on after the backup ends alone: it is no news that
		// the database went back in time.
		if _, err := r.rotate(ahead); !errors.Is(err, ErrInvalidGrant) {
			t.Errorf("got %v", err)
		}
		if r.alive(since) || !r.alive(session) {
			t.Errorf("alive: %v and %v", r.alive(since), r.alive(session))
		}
		r.renewed(WhyRestored)
	})
}

func TestWhatOtherRoomsGiveOutEndsInTheSameTransaction(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		session, _ := r.family(r.person("anna"))
		broken := errors.New("another kind of secret cannot be ended")
		fail := true
		r.OnRenewal(func(tx *gorm.DB, n *Renewal) error {
			if n.Ended["others"] = 3; fail {
				return broken
			}
			return nil
		})
		kid := r.deps.Keys.Signer().KID
		if _, err := r.Restored(t.Context(), true); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		if r.deps.Keys.Signer().KID != kid || !r.alive(session) {
			t.Error("half of it happened")
		}
		r.notRenewed()
		fail = false
		done, err := r.Restored(t.Context(), false)
		if err != nil || done.Ended["others"] != 3 || done.Ended["sessions"] != 1 || done.Ended["keys"] < 4 {
			t.Errorf("%v, %v", done, err)
		}
	})
}

func TestMillionsOfSessionsEndInSmallSteps(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		r.write(func(tx *gorm.DB) error {
			var rows []models.Session
			at := models.At(r.clock.Now())
			for range trimBatch + 7 {
				rows = append(rows, models.Session{ID: models.NewID(), UserID: anna.ID, CreatedAt: at, LastSeenAt: at, IdleUntil: at, AbsoluteUntil: at})
			}
			return tx.CreateInBatches(&rows, 100).Error
		})
		n := r.Service.renew
		if err := n.sweep(t.Context(), &Renewal{At: models.At(r.clock.Now().Add(-time.Second))}); err != nil {
			t.Fatal(err)
		}
		if n := r.count("SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL"); n != trimBatch+7 {
			t.Errorf("%d sessions are left of those that came later", n)
		}
		if err := n.sweep(t.Context(), &Renewal{At: models.At(r.clock.Now())}); err != nil {
			t.Fatal(err)
		}
		if n := r.count("SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL"); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}
