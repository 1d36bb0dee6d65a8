package tokens

import (
	"errors"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/models"
)

func TestEndingASessionEndsItsFamilyAndItsTokens(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		s := r.program(anna)
		if ok, err := r.Sessions.End(t.Context(), anna.ID, s.ID, "", Client{IP: "192.0.2.9"}); !ok || err != nil {
			t.Fatalf("%v, %v", ok, err)
		}
		if row := r.row(s.ID); row.EndedAt.IsZero() || row.EndedWhy != WhyEnded {
			t.Errorf("the row is %+v", row)
		}
		if n := r.count(`SELECT COUNT(*) FROM refresh_families WHERE session_id = ? AND ended_at IS NULL`, s.ID); n != 0 {
			t.Error("the family is alive")
		}
		if n := r.outbox(EntrySession, s.ID); n != 1 {
			t.Errorf("%d entries in the log", n)
		}
		if n := r.count(`SELECT COUNT(*) FROM audit_events WHERE action = 'session.ended' AND session_id = ? AND reason = ?`,
			s.ID, WhyEnded); n != 1 {
			t.Errorf("%d audit rows", n)
		}
		_, err := r.Access.ForSession(t.Context(), s.ID)
		wantReason(t, err, "session_ended")
	})
}

func TestTheSessionOfAnotherPersonIsNotThere(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna, ben := r.person("anna"), r.person("ben")
		s := r.browser(anna)
		for _, id := range []models.ID{s.ID, models.NewID(), {}} {
			if ok, err := r.Sessions.End(t.Context(), ben.ID, id, "", Client{}); ok || err != nil {
				t.Errorf("%v: %v, %v", id, ok, err)
			}
		}
		if ok, err := r.Sessions.End(t.Context(), models.ID{}, r.anonymous("x").ID, "", Client{}); ok || err != nil {
			t.Errorf("nobody ended an anonymous session: %v, %v", ok, err)
		}
		if r.live(s.Cookie.Reveal()) == nil || r.count(`SELECT COUNT(*) FROM revocation_outbox`) != 0 {
			t.Error("something was ended")
		}
	})
}

func TestOneOfManyEndsASession(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		s := r.program(anna)
		won := race(t, func() bool {
			ok, err := r.Sessions.EndCurrent(t.Context(), anna.ID, s.ID, Client{})
			if err != nil {
				t.Error(err)
			}
			return ok
		})
		if n := r.outbox(EntrySession, s.ID); won != 1 || n != 1 {
			t.Errorf("%d of %d ended it, %d entries", won, rivals, n)
		}
		if n := r.audited("signout", WhySignOut); n != 1 {
			t.Errorf("%d audit rows", n)
		}
	})
}

func TestEndingTheOthersKeepsThisOne(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna, ben := r.person("anna"), r.person("ben")
		ancient := r.browser(anna)
		r.clock.Advance(48*time.Hour + time.Second)
		idle := r.browser(anna)
		r.clock.Advance(24 * time.Hour)
		keep, web, program, stranger := r.browser(anna), r.browser(anna), r.program(anna), r.browser(ben)
		n, err := r.Sessions.EndOthers(t.Context(), anna.ID, keep.ID, Client{})
		if err != nil || n != 2 {
			t.Fatalf("%d ended, %v; want the two live ones", n, err)
		}
		if r.live(keep.Cookie.Reveal()) == nil || r.live(stranger.Cookie.Reveal()) == nil {
			t.Error("one session too many ended")
		}
		if r.live(web.Cookie.Reveal()) != nil || r.alive(program.ID) {
			t.Error("another session is alive")
		}
		for name, c := range map[string]struct {
			id   models.ID
			want int64
		}{"live": {web.ID, 1}, "program": {program.ID, 1}, "kept": {keep.ID, 0}, "dead for long": {ancient.ID, 0}} {
			if got := r.outbox(EntrySession, c.id); got != c.want {
				t.Errorf("%s: %d entries in the log, want %d", name, got, c.want)
			}
		}
		if r.row(idle.ID).EndedAt.IsZero() || r.audited("sessions.ended", WhyOthers) != 1 {
			t.Error("the idle session was left, or the record has no row")
		}
		if n, err := r.Sessions.EndOthers(t.Context(), anna.ID, keep.ID, Client{}); n != 0 || err != nil {
			t.Errorf("the second time: %d, %v", n, err)
		}
	})
}

// endUser does what accounts does: both epochs and the end in one transaction.
func (r *room) endUser(user, keep models.ID) error {
	return r.db.Write(r.t.Context(), func(tx *gorm.DB) error {
		err := tx.Exec(`UPDATE users SET token_epoch = token_epoch + 1, session_epoch = session_epoch + 1 WHERE id = ?`, user).Error
		if err != nil {
			return err
		}
		var epoch int64
		if err := tx.Raw(`SELECT token_epoch FROM users WHERE id = ?`, user).Scan(&epoch).Error; err != nil {
			return err
		}
		return r.Sessions.EndUser(tx, user, epoch, "password_changed", keep)
	})
}

func TestEndingAPersonIsOneEntryHoweverManySessions(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna, ben := r.person("anna"), r.person("ben")
		var all []Started
		for range 5 {
			all = append(all, r.browser(anna), r.program(anna))
		}
		keep, stranger := r.browser(anna), r.browser(ben)
		if err := r.endUser(anna.ID, keep.ID); err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if r.row(s.ID).EndedAt.IsZero() || r.outbox(EntrySession, s.ID) != 0 {
				t.Errorf("session %v is alive or has an entry of its own", s.ID)
			}
		}
		var entries []models.RevocationOutbox
		if err := r.db.Read(t.Context()).Find(&entries).Error; err != nil {
			t.Fatal(err)
		}
		if len(entries) != 1 || entries[0].Kind != EntrySubject || models.ID(entries[0].Target) != anna.ID || entries[0].Epoch != 2 {
			t.Errorf("the log has %+v", entries)
		}
		kept := r.live(keep.Cookie.Reveal())
		if kept == nil || kept.Subject.TokenEpoch != 2 || r.live(stranger.Cookie.Reveal()) == nil {
			t.Errorf("kept: %+v", kept)
		}
		if n := r.audited("sessions.ended", "password_changed"); n != 1 {
			t.Errorf("%d audit rows", n)
		}
	})
}

func TestAKeptSessionOfAnOlderEpochStaysDead(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		missed := r.browser(anna)
		// An end on another node that did not see this sign-in.
		r.exec(`UPDATE users SET session_epoch = session_epoch + 1`)
		if err := r.endUser(anna.ID, missed.ID); err != nil {
			t.Fatal(err)
		}
		if r.live(missed.Cookie.Reveal()) != nil {
			t.Error("a dead session came back")
		}
	})
}

var errRefused = errors.New("refused by the user's row")

// signsIn does what signin does: the user's row under its condition, beside
// the session's INSERT.
func (r *room) signsIn(s Subject) (started Started, err error) {
	err = r.db.Write(r.t.Context(), func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE users SET sign_ins = sign_ins + 1 WHERE id = ? AND disabled_at IS NULL AND session_epoch = ?`,
			s.ID, s.SessionEpoch)
		if res.Error != nil || res.RowsAffected == 0 {
			return errors.Join(errRefused, res.Error)
		}
		var err error
		started, err = r.Sessions.Start(tx, r.signIn(s, true))
		return err
	})
	return started, err
}

func TestNoSignInOfTheOldEpochOutlivesTheEndOfAll(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		var all sync.Map
		var group sync.WaitGroup
		group.Go(func() {
			if err := r.endUser(anna.ID, models.ID{}); err != nil {
				t.Error(err)
			}
		})
		race(t, func() bool {
			started, err := r.signsIn(anna)
			if err == nil {
				all.Store(started.Cookie.Reveal(), true)
			} else if !errors.Is(err, errRefused) {
				t.Error(err)
			}
			return err == nil
		})
		group.Wait()
		all.Range(func(cookie, _ any) bool {
			if r.live(cookie.(string)) != nil {
				t.Error("a session of the old epoch is live")
			}
			return true
		})
		if n := r.count(`SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL`); n != 0 {
			t.Errorf("%d sessions have not ended", n)
		}
	})
}

func TestASaveAndAnEndDoNotBothWin(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		s := r.browser(anna)
		var group sync.WaitGroup
		group.Go(func() {
			if ok, err := r.Sessions.EndCurrent(t.Context(), anna.ID, s.ID, Client{}); !ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
		})
		race(t, func() bool { return r.save(s, "late") == nil })
		group.Wait()
		if row := r.row(s.ID); row.Data != nil || row.EndedAt.IsZero() {
			t.Errorf("the dead row holds %d bytes, ended %v", len(row.Data), row.EndedAt)
		}
	})
}
