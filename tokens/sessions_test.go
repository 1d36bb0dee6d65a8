package tokens

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

func (r *room) anonymous(data string) Started {
	r.t.Helper()
	started, err := r.Sessions.StartAnonymous(r.t.Context(), []byte(data), Client{IP: "192.0.2.7", UserAgent: "x\x00y"})
	if err != nil {
		r.t.Fatal(err)
	}
	return started
}

func (r *room) save(s Started, data string) error {
	return r.Sessions.SaveData(r.t.Context(), s.ID, s.CookieHash, []byte(data))
}

func (r *room) row(id models.ID) (row models.Session) {
	r.t.Helper()
	if err := r.db.Read(r.t.Context()).Where("id = ?", id).First(&row).Error; err != nil {
		r.t.Fatal(err)
	}
	return row
}

func TestACookieOpensItsSession(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		in := r.signIn(anna, true)
		in.Data = []byte("welcome")
		started := r.start(in)
		s := r.live(started.Cookie.Reveal())
		if s == nil || !s.SignedIn() || s.ID != started.ID || s.Subject.ID != anna.ID {
			t.Fatalf("got %+v", s)
		}
		if string(s.Data) != "welcome" || s.ACR != "aal1" || s.AMR != "pwd" || !s.AuthTime.Equal(r.clock.Now()) ||
			s.IP != "192.0.2.7" || s.UserAgent != "Mozilla/5.0" || s.ClientID != FirstParty {
			t.Errorf("got %+v", s)
		}
		if s.Subject.Roles != "member" || s.Subject.TokenEpoch != 1 || s.Subject.SessionEpoch != 1 || !s.Subject.Enabled {
			t.Errorf("the subject is %+v", s.Subject)
		}
	})
}

func TestNoBadCookieOpensASession(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		good := r.browser(r.person("anna")).Cookie.Reveal()
		bad := []string{
			"", " ", good[:len(good)-1], good + "0", good + " ", " " + good, strings.ToUpper(good), strings.ToLower(good) + "x",
			linkPrefix + good[len(cookiePrefix):], cookiePrefix + strings.Repeat("0", tokenBody), strings.Repeat("a", 1<<20),
			good[:len(good)-1] + "\x00", "' OR 1=1 --", cookiePrefix,
		}
		for _, cookie := range bad {
			if s := r.live(cookie); s != nil {
				t.Errorf("%.60q opened the session %v", cookie, s.ID)
			}
		}
		if r.live(good) == nil {
			t.Error("the good cookie does not open its session")
		}
	})
}

func TestTheTableHoldsNeitherCookieNorData(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		started := r.anonymous("a secret message")
		row := r.row(started.ID)
		if bytes.Contains(row.CookieHash, started.Cookie.RevealBytes()) || len(row.CookieHash) != 32 {
			t.Errorf("cookie_hash is %q", row.CookieHash)
		}
		if len(row.Data) == 0 || bytes.Contains(row.Data, []byte("secret")) {
			t.Errorf("data is %q", row.Data)
		}
		if row.UserAgent != "xy" {
			t.Errorf("user_agent is %q", row.UserAgent)
		}
	})
}

func TestDataCopiedToAnotherSessionDoesNotOpenThere(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		a, b := r.anonymous("of a"), r.anonymous("of b")
		r.exec(`UPDATE sessions SET data = ? WHERE id = ?`, r.row(a.ID).Data, b.ID)
		s := r.live(b.Cookie.Reveal())
		if s == nil || len(s.Data) != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestASessionEndsWhenIdleAndInTheEndAnyway(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		for name, c := range map[string]struct {
			started        Started
			idle, absolute time.Duration
		}{
			"signed in": {r.browser(anna), 24 * time.Hour, 720 * time.Hour},
			"anonymous": {r.anonymous("x"), time.Hour, 24 * time.Hour},
		} {
			now := r.clock.Now()
			row := r.row(c.started.ID)
			if got := row.IdleUntil.Sub(now); got != c.idle {
				t.Errorf("%s: idle for %v, want %v", name, got, c.idle)
			}
			if got := row.AbsoluteUntil.Sub(now); got != c.absolute {
				t.Errorf("%s: ends after %v, want %v", name, got, c.absolute)
			}
		}
		used, unused := r.browser(anna), r.browser(anna)
		for r.clock.Advance(23 * time.Hour).Before(r.row(used.ID).AbsoluteUntil.Time) {
			if r.live(used.Cookie.Reveal()) == nil {
				t.Fatal("a session in use ended")
			}
		}
		if r.live(used.Cookie.Reveal()) != nil || r.live(unused.Cookie.Reveal()) != nil {
			t.Error("a session outlived its absolute end")
		}
	})
}

func TestAnUnusedSessionEndsAtItsIdleEnd(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anonymous, person := r.anonymous("x").Cookie.Reveal(), r.browser(r.person("anna")).Cookie.Reveal()
		r.clock.Advance(time.Hour)
		if r.live(anonymous) != nil {
			t.Error("an idle anonymous session is live")
		}
		r.clock.Advance(23 * time.Hour)
		if r.live(person) != nil {
			t.Error("an idle session is live")
		}
	})
}

func TestAShortIdleTimeIsKeptAliveByUse(t *testing.T) {
	r := newRoom(t, testkit.DB(t), func(d *Deps) { d.Config.SessionIdleTTL = time.Second })
	cookie := r.browser(r.person("anna")).Cookie.Reveal()
	for range 20 {
		r.clock.Advance(300 * time.Millisecond)
		if r.live(cookie) == nil {
			t.Fatal("a session in use ended")
		}
	}
	r.clock.Advance(time.Second)
	if r.live(cookie) != nil {
		t.Error("an idle session is live")
	}
}

func TestUseIsWrittenAtMostOnceAMinuteHoweverManyAsk(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		started := r.browser(r.person("anna"))
		first := r.live(started.Cookie.Reveal())
		r.clock.Advance(59 * time.Second)
		if s := r.live(started.Cookie.Reveal()); !s.LastSeenAt.Equal(first.LastSeenAt.Time) {
			t.Error("written before a minute was over")
		}
		r.clock.Advance(time.Second)
		written := race(t, func() bool {
			s := *first
			return r.Sessions.touch(t.Context(), &s, models.At(r.clock.Now()))
		})
		if written != 1 {
			t.Errorf("%d of %d wrote", written, rivals)
		}
		row := r.row(started.ID)
		if !row.LastSeenAt.Equal(r.clock.Now()) || row.IdleUntil.Sub(r.clock.Now()) != 24*time.Hour {
			t.Errorf("last seen %v, idle until %v", row.LastSeenAt, row.IdleUntil)
		}
	})
}

func TestNoSessionIsLiveUnderAnotherEpochOrARefusal(t *testing.T) {
	for name, change := range map[string]string{
		"another epoch": `UPDATE users SET session_epoch = session_epoch + 1`,
		"disabled":      `UPDATE users SET disabled_at = 1`,
		"deleted":       `DELETE FROM users`,
	} {
		t.Run(name, func(t *testing.T) {
			eachRoom(t, func(t *testing.T, r *room) {
				anna := r.person("anna")
				cookie := r.browser(anna).Cookie.Reveal()
				r.exec(change)
				if r.live(cookie) != nil {
					t.Error("the session is live")
				}
				if list, err := r.Sessions.List(t.Context(), anna.ID); err != nil || name != "disabled" && len(list) != 0 {
					t.Errorf("listed: %v, %v", list, err)
				}
			})
		})
	}
}

func TestStartIsRefusedByTheChokepoint(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		anna.Enabled = false
		err := r.db.Write(t.Context(), func(tx *gorm.DB) error {
			_, err := r.Sessions.Start(tx, r.signIn(anna, true))
			return err
		})
		wantReason(t, err, "disabled")
		if n := r.count(`SELECT COUNT(*) FROM sessions`); n != 0 {
			t.Errorf("%d sessions were made", n)
		}
	})
}

func TestSigningInKillsTheAnonymousSession(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		old := r.anonymous("form")
		in := r.signIn(r.person("anna"), true)
		in.Old = r.live(old.Cookie.Reveal())
		fresh := r.start(in)
		if r.live(old.Cookie.Reveal()) != nil {
			t.Error("the anonymous cookie still opens something")
		}
		if fresh.ID == old.ID || fresh.Cookie.Reveal() == old.Cookie.Reveal() {
			t.Error("the session kept its id or its cookie")
		}
		wantReason(t, r.save(old, "from a slow request"), "session_ended")
	})
}

func TestSigningInAgainEndsTheSignedInSession(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		old := r.browser(r.person("anna"))
		in := r.signIn(r.person("ben"), true)
		in.Old = r.live(old.Cookie.Reveal())
		r.start(in)
		if r.live(old.Cookie.Reveal()) != nil {
			t.Error("the old session is live")
		}
		if row := r.row(old.ID); row.EndedWhy != WhyReplaced || r.outbox(EntrySession, old.ID) != 1 {
			t.Errorf("ended_why %q, entries %d", row.EndedWhy, r.outbox(EntrySession, old.ID))
		}
	})
}

// outbox counts the entries about one id, sealed or not yet.
func (r *room) outbox(kind string, target models.ID) int64 {
	r.t.Helper()
	return r.count(`SELECT COUNT(*) FROM revocation_outbox WHERE kind = ? AND target = ?`, kind, target.Bytes())
}

func TestTheSaveOfADeadSessionIsRefused(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		ended := r.browser(anna)
		if err := r.save(ended, "alive"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Sessions.EndCurrent(t.Context(), anna.ID, ended.ID, Client{}); err != nil {
			t.Fatal(err)
		}
		wantReason(t, r.save(ended, "again"), "session_ended")
		if r.live(ended.Cookie.Reveal()) != nil || r.row(ended.ID).Data != nil {
			t.Error("the session or its data came back")
		}
		discarded := r.anonymous("x")
		if err := r.Sessions.Discard(t.Context(), discarded.ID, discarded.CookieHash); err != nil {
			t.Fatal(err)
		}
		wantReason(t, r.save(discarded, "again"), "session_ended")
		idle := r.anonymous("x")
		r.clock.Advance(time.Hour)
		wantReason(t, r.save(idle, "again"), "session_ended")
		wantReason(t, r.Sessions.SaveData(t.Context(), models.ID{}, nil, nil), "session_ended")
	})
}

func TestTheSameDataAndNoDataCanBeSavedTwice(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		s := r.anonymous("")
		for _, data := range []string{"", "", "same", "same", ""} {
			if err := r.save(s, data); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			if got := r.live(s.Cookie.Reveal()); string(got.Data) != data {
				t.Fatalf("got %q, want %q", got.Data, data)
			}
		}
	})
}

func TestDataIsCapped(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		s := r.anonymous(strings.Repeat("x", maxData))
		wantReason(t, r.save(s, strings.Repeat("x", maxData+1)), "session_data_too_large")
		_, err := r.Sessions.StartAnonymous(t.Context(), make([]byte, maxData+1), Client{})
		wantReason(t, err, "session_data_too_large")
		in := r.signIn(r.person("anna"), true)
		in.Data = make([]byte, maxData+1)
		err = r.db.Write(t.Context(), func(tx *gorm.DB) error { _, err := r.Sessions.Start(tx, in); return err })
		wantReason(t, err, "session_data_too_large")
	})
}

func TestDiscardLeavesASignedInSessionAlone(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		s := r.browser(r.person("anna"))
		if err := r.Sessions.Discard(t.Context(), s.ID, s.CookieHash); err != nil {
			t.Fatal(err)
		}
		if r.live(s.Cookie.Reveal()) == nil {
			t.Error("the session is gone")
		}
	})
}

func TestOneOfManyGetsTheNewCookie(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		old := r.browser(r.person("anna"))
		session := r.live(old.Cookie.Reveal())
		var fresh atomic.Pointer[Started]
		won := race(t, func() bool {
			var started Started
			err := r.db.Write(t.Context(), func(tx *gorm.DB) (err error) {
				started, err = r.Sessions.NewCookie(tx, session)
				return err
			})
			if err != nil && !errors.Is(err, ErrNoSession) {
				t.Error(err)
			}
			if err == nil {
				fresh.Store(&started)
			}
			return err == nil
		})
		if won != 1 {
			t.Fatalf("%d of %d got a new cookie", won, rivals)
		}
		if r.live(old.Cookie.Reveal()) != nil {
			t.Error("the old cookie is alive")
		}
		if s := r.live(fresh.Load().Cookie.Reveal()); s == nil || s.ID != old.ID {
			t.Errorf("the new cookie opens %+v", s)
		}
		wantReason(t, r.save(old, "by the old cookie"), "session_ended")
		if err := r.save(*fresh.Load(), "by the new one"); err != nil {
			t.Error(err)
		}
	})
}

func TestAFreshProofIsKeptOnlyByALiveSession(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		s := r.browser(anna)
		prove := func() error {
			return r.db.Write(t.Context(), func(tx *gorm.DB) error {
				return r.Sessions.Reprove(tx, s.ID, r.clock.Now(), "aal2", []string{"pwd", "otp"})
			})
		}
		r.clock.Advance(time.Minute)
		for range 2 { // the second changes nothing, which MySQL counts as no row
			if err := prove(); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.live(s.Cookie.Reveal()); !got.AuthTime.Equal(r.clock.Now()) || got.ACR != "aal2" || got.AMR != "pwd otp" {
			t.Errorf("got %+v", got)
		}
		if _, err := r.Sessions.EndCurrent(t.Context(), anna.ID, s.ID, Client{}); err != nil {
			t.Fatal(err)
		}
		wantReason(t, prove(), "session_ended")
		s = r.anonymous("x")
		wantReason(t, prove(), "session_ended")
	})
}

func TestTheListHasLiveSessionsTheLastSeenFirst(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna, ben := r.person("anna"), r.person("ben")
		gone, idle := r.browser(anna), r.browser(anna)
		r.clock.Advance(23 * time.Hour)
		first := r.browser(anna)
		r.clock.Advance(2 * time.Hour)
		second, program := r.browser(anna), r.program(anna)
		r.browser(ben)
		if _, err := r.Sessions.End(t.Context(), anna.ID, gone.ID, "", Client{}); err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(time.Minute)
		r.live(first.Cookie.Reveal())
		r.clock.Advance(time.Minute)
		r.live(second.Cookie.Reveal())
		list, err := r.Sessions.List(t.Context(), anna.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got []models.ID
		for _, s := range list {
			got = append(got, s.ID)
			if s.Data != nil {
				t.Error("the list carries data")
			}
		}
		want := []models.ID{second.ID, first.ID, program.ID}
		if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("got %v, want %v (idle is %v)", got, want, idle.ID)
		}
		r.clock.Advance(r.deps.Config.RefreshIdleTTL)
		if list, err := r.Sessions.List(t.Context(), anna.ID); err != nil || len(list) != 0 {
			t.Errorf("after a week of nothing: %v, %v", list, err)
		}
	})
}

func TestTheLastSecretKeyLeavesSessionsAliveWithoutTheirData(t *testing.T) {
	db := testkit.DB(t)
	r := newRoom(t, db)
	cookie := r.anonymous("message").Cookie.Reveal()
	box, err := secrets.NewBox(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	r.Sessions.deps.Box = box
	if s := r.live(cookie); s == nil || s.Data != nil {
		t.Errorf("got %+v", s)
	}
}

func TestAStorageErrorIsNotAMissingSession(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		r := newRoom(t, db)
		cookie := r.browser(r.person("anna")).Cookie.Reveal()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if s, err := r.Sessions.ByCookie(ctx, cookie); err == nil || s != nil {
			t.Errorf("got %v, %v", s, err)
		}
	})
}
