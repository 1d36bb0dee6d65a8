package tokens

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/verify"
)

// another is a second node on the same database and clock.
func (r *room) another(changes ...func(*Deps)) *room {
	r.t.Helper()
	deps := r.deps
	for _, change := range changes {
		change(&deps)
	}
	o := &room{Service: New(deps), t: r.t, db: r.db, clock: r.clock, deps: deps}
	if err := o.Log.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return o
}

// family signs a program in and answers its first refresh token.
func (r *room) family(s Subject) (session models.ID, token string) {
	r.t.Helper()
	started := r.start(r.signIn(s, false))
	var issued RefreshToken
	r.write(func(tx *gorm.DB) (err error) {
		issued, err = r.Refresh.Issue(tx, started.ID, s.ID, "", nil)
		return err
	})
	return started.ID, issued.Token.Reveal()
}

func (r *room) rotate(token string) (Refreshed, error) {
	return r.Refresh.Rotate(r.t.Context(), token, FirstParty, Client{IP: "192.0.2.7", RequestID: "req-2"})
}

// refreshed rotates and must not fail; it answers the current token.
func (r *room) refreshed(token string) string {
	r.t.Helper()
	answer, err := r.rotate(token)
	if err != nil {
		r.t.Fatalf("an honest refresh failed: %v", err)
	}
	return answer.Refresh.Token.Reveal()
}

// audited counts the audit rows of an action with a reason.
func (r *room) audited(action, reason string) int64 {
	r.t.Helper()
	return r.count("SELECT COUNT(*) FROM audit_events WHERE action = ? AND reason = ?", action, reason)
}

func (r *room) alive(session models.ID) bool {
	r.t.Helper()
	families := r.count("SELECT COUNT(*) FROM refresh_families WHERE session_id = ? AND ended_at IS NULL", session)
	sessions := r.count("SELECT COUNT(*) FROM sessions WHERE id = ? AND ended_at IS NULL", session)
	if families != sessions {
		r.t.Fatalf("family and session differ: %d and %d are alive", families, sessions)
	}
	return families == 1
}

func TestTheNewestTokenIsExchangedForItsSuccessor(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		session, first := r.family(anna)
		r.clock.Advance(5 * time.Minute)
		answer, err := r.rotate(first)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Repeated || answer.User != anna.ID || answer.SessionID != session || len(answer.Scope) != 1 {
			t.Errorf("got %+v", answer)
		}
		if want := r.clock.Now().Add(168 * time.Hour); !answer.Refresh.ExpiresAt.Equal(want) {
			t.Errorf("ends at %v, want the idle end %v", answer.Refresh.ExpiresAt, want)
		}
		if answer.Refresh.Token.Reveal() == first || answer.Access.Token.IsZero() {
			t.Error("no new tokens")
		}
		if r.audited("refresh.rotated", "") != 1 || !r.alive(session) {
			t.Error("no audit row, or the family is dead")
		}
		if n := r.count("SELECT COUNT(*) FROM sessions WHERE last_seen_at = ?", models.At(r.clock.Now())); n != 1 {
			t.Error("the session does not know of its last use")
		}
	})
}

func TestTheIdleEndNeverPassesTheAbsoluteEnd(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		_, token := r.family(r.person("anna"))
		absolute := r.clock.Now().Add(720 * time.Hour)
		for range 5 {
			r.clock.Advance(140 * time.Hour)
			token = r.refreshed(token)
		}
		if n := r.count("SELECT COUNT(*) FROM refresh_families WHERE idle_until = ?", models.At(absolute)); n != 1 {
			t.Error("the idle end is not capped")
		}
		r.clock.Advance(20 * time.Hour)
		_, err := r.rotate(token)
		wantReason(t, err, "invalid_grant")
	})
}

func TestWhatIsNoTokenOfOursIsRefusedWithoutLookingForARow(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		session, token := r.family(r.person("anna"))
		cut, other := token[:len(token)-1], []byte(token)
		other[20] ^= 1
		for _, raw := range []string{"", "gh_rt_", cut, token + "0", string(other), "gh_at_" + token[6:], " " + token} {
			_, err := r.rotate(raw)
			if !errors.Is(err, ErrInvalidGrant) {
				t.Errorf("%q: got %v", raw, err)
			}
		}
		if !r.alive(session) || r.audited("refresh.refused", "not_genuine") != 7 {
			t.Error("the family died of garbage, or nothing was recorded")
		}
		for range 100 {
			_, _ = r.rotate("gh_rt_garbage")
		}
		if n := r.audited("refresh.refused", "not_genuine"); n > int64(garbageAudits.N) {
			t.Errorf("a stranger filled the record with %d rows", n)
		}
		r.refreshed(token)
	})
}

func TestARefreshIsRefusedWithoutHarm(t *testing.T) {
	tests := map[string]struct {
		before func(r *room, s Subject, session models.ID)
		client string
		reason string
	}{
		"to another client": {client: "someone_else", reason: "other_client"},
		"after the idle end": {reason: "idle_end", before: func(r *room, _ Subject, _ models.ID) {
			r.clock.Advance(168 * time.Hour)
		}},
		"when the session ended alone": {reason: "session_ended", before: func(r *room, _ Subject, id models.ID) {
			r.exec("UPDATE sessions SET ended_at = 1 WHERE id = ?", id)
		}},
		"after the session's absolute end": {reason: "absolute_end", before: func(r *room, _ Subject, id models.ID) {
			r.exec("UPDATE sessions SET absolute_until = 1 WHERE id = ?", id)
		}},
		"when the person's sessions all ended": {reason: "session_ended", before: func(r *room, s Subject, _ models.ID) {
			r.exec("UPDATE users SET session_epoch = session_epoch + 1 WHERE id = ?", s.ID)
		}},
		"when the chokepoint says no": {reason: "disabled", before: func(r *room, s Subject, _ models.ID) {
			r.exec("UPDATE users SET disabled_at = 1 WHERE id = ?", s.ID)
		}},
		"when the person is gone": {reason: "session_ended", before: func(r *room, s Subject, _ models.ID) {
			r.exec("DELETE FROM users WHERE id = ?", s.ID)
		}},
		"when the family is gone": {reason: "unknown_family", before: func(r *room, _ Subject, id models.ID) {
			r.exec("DELETE FROM refresh_families WHERE session_id = ?", id)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			eachRoom(t, func(t *testing.T, r *room) {
				anna := r.person("anna")
				session, token := r.family(anna)
				if test.before != nil {
					test.before(r, anna, session)
				}
				_, err := r.Refresh.Rotate(t.Context(), token, test.client, Client{})
				if !errors.Is(err, ErrInvalidGrant) {
					t.Errorf("got %v", err)
				}
				if r.audited("refresh.refused", test.reason) != 1 {
					t.Errorf("no audit row with the reason %q", test.reason)
				}
				if n := r.count("SELECT COUNT(*) FROM refresh_families WHERE ended_at IS NOT NULL"); n != 0 {
					t.Error("the refusal ended the family")
				}
			})
		})
	}
}

func TestASignedOutFamilyIsRefused(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		session, token := r.family(anna)
		if ok, err := r.Sessions.EndCurrent(t.Context(), anna.ID, session, Client{}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		_, err := r.rotate(token)
		wantReason(t, err, "invalid_grant")
	})
}

func TestAnyTokenOfTheWindowIsAnsweredWithTheCurrentOne(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		session, first := r.family(r.person("anna"))
		second := r.refreshed(first)
		r.clock.Advance(10 * time.Second)
		third := r.refreshed(second)
		r.clock.Advance(20 * time.Second) // exactly the window since the first was used
		for _, old := range []string{first, second, first} {
			answer, err := r.rotate(old)
			if err != nil {
				t.Fatal(err)
			}
			if !answer.Repeated || answer.Refresh.Token.Reveal() != third || answer.SessionID != session {
				t.Error("a retry did not get the current token")
			}
		}
		if r.audited("refresh.repeated", "") != 3 {
			t.Error("repeats are not recorded")
		}
		r.refreshed(third)
	})
}

func TestARepeatCarriesTheEpochsAndRolesOfNow(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		_, first := r.family(anna)
		r.refreshed(first)
		r.exec("UPDATE users SET token_epoch = 7, roles = 'owner' WHERE id = ?", anna.ID)
		answer, err := r.rotate(first)
		if err != nil {
			t.Fatal(err)
		}
		p := r.principal(answer.Access)
		if p.Generation != 7 || len(p.Roles) != 1 || p.Roles[0] != "owner" {
			t.Errorf("got %+v", p)
		}
	})
}

// principal verifies an access token as every node does.
func (r *room) principal(a AccessToken) *verify.Principal {
	r.t.Helper()
	p, err := r.verifierOf(r.deps.Keys).Verify(r.t.Context(), a.Token.Reveal())
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func TestARepeatNeverRenewsTheWindow(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		_, first := r.family(r.person("anna"))
		r.refreshed(first)
		for range 3 {
			r.clock.Advance(10 * time.Second)
			r.refreshed(first)
		}
		r.clock.Advance(time.Second)
		_, err := r.rotate(first)
		wantReason(t, err, "refresh_reused")
	})
}

func TestATokenReusedAfterTheWindowEndsFamilyAndSession(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		var alarms []models.ID
		other := r.another(func(d *Deps) {
			d.Alarm = func(_ *gorm.DB, user models.ID, what string) error {
				if what == "refresh_reused" {
					alarms = append(alarms, user)
				}
				return nil
			}
		})
		anna := r.person("anna")
		session, first := r.family(anna)
		answer, err := r.rotate(first)
		if err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(30*time.Second + time.Microsecond)
		_, err = other.rotate(first)
		if !errors.Is(err, ErrRefreshReused) || apperr.From(err).Kind != apperr.Unauthenticated {
			t.Fatalf("got %v", err)
		}
		if r.alive(session) || len(alarms) != 1 || alarms[0] != anna.ID {
			t.Errorf("session alive or alarms %v", alarms)
		}
		if r.audited("refresh.reused", "refresh_reused") != 1 {
			t.Error("the theft is not recorded")
		}
		p := r.principal(answer.Access)
		if !other.Log.Revoked(p) {
			t.Error("the node that noticed still accepts the session's tokens")
		}
		if r.poll(); !r.Log.Revoked(p) {
			t.Error("another node accepts them after its poll")
		}
		// The owner learns why, whatever token the owner holds.
		_, err = r.rotate(answer.Refresh.Token.Reveal())
		wantReason(t, err, "refresh_reused")
	})
}

func TestATheftIsNotAnsweredBeforeItsReactionIsDurable(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		broken := errors.New("no place for the notice")
		other := r.another(func(d *Deps) {
			d.Alarm = func(*gorm.DB, models.ID, string) error { return broken }
		})
		session, first := r.family(r.person("anna"))
		r.refreshed(first)
		r.clock.Advance(time.Minute)
		if _, err := other.rotate(first); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		if !r.alive(session) || r.count("SELECT COUNT(*) FROM revocation_outbox") != 0 {
			t.Error("half a reaction was written")
		}
	})
}

func TestTheSeventeenthRotationWithinTheWindowHasToWait(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		session, token := r.family(r.person("anna"))
		for range maxRotations {
			token = r.refreshed(token)
			r.clock.Advance(time.Second)
		}
		_, err := r.rotate(token)
		wantReason(t, err, "too_many_attempts")
		if wait := apperr.From(err).RetryAfter; wait != 14*time.Second {
			t.Errorf("told to wait for %v, want 14s", wait)
		}
		if !r.alive(session) {
			t.Error("the family ended")
		}
		r.clock.Advance(14*time.Second + time.Microsecond)
		r.refreshed(token)
	})
}

func TestThirtyTwoRefreshesOnTwoNodesGiveOneSuccessor(t *testing.T) {
	proofs(t, func(t *testing.T, p place) {
		nodes := p.rooms(t, 2)
		anna := nodes[0].person("anna")
		rounds := testkit.Sized(2, 50)
		for range rounds {
			raceOneToken(t, nodes, anna)
		}
		if n := nodes[0].causalCount("SELECT COUNT(*) FROM refresh_families WHERE generation <> 2"); n != 0 {
			t.Errorf("%d families are not of generation 2", n)
		}
		testkit.Found(t, testkit.Finding{
			Proof: "F4", Case: p.name + ", 2 of our nodes", Tried: fmt.Sprintf("%d rounds of %d tries at once with one token", rounds, rivals),
			Found: "one successor each round, and everybody got it",
		})
	})
}

func raceOneToken(t *testing.T, nodes []*room, owner Subject) {
	t.Helper()
	_, first := nodes[0].family(owner)
	answers := make(chan Refreshed, rivals)
	next := make(chan *room, rivals)
	for i := range rivals {
		next <- nodes[i%len(nodes)]
	}
	won := race(t, func() bool {
		answer, err := (<-next).rotate(first)
		if err != nil {
			t.Error(err)
			return false
		}
		answers <- answer
		return !answer.Repeated
	})
	close(answers)
	current := map[string]bool{}
	for a := range answers {
		current[a.Refresh.Token.Reveal()] = true
	}
	if won != 1 || len(current) != 1 {
		t.Errorf("%d rotations and %d different current tokens, want 1 and 1", won, len(current))
	}
}

func TestARefreshAndASignOutNeverBothSucceedUnseen(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		for range 20 {
			session, token := r.family(anna)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = r.Sessions.EndCurrent(t.Context(), anna.ID, session, Client{})
			}()
			answer, err := r.rotate(token)
			<-done
			if err == nil && !r.Log.Revoked(r.principal(answer.Access)) {
				t.Fatal("a token of an ended session is accepted")
			}
			if r.alive(session) {
				t.Fatal("the session survived its end")
			}
		}
	})
}

func TestAnAnswerThatComesTooLateIsThrownAwayAndItsRetryIsHonest(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		slow := r.another(func(d *Deps) {
			d.Admit = func(context.Context, Subject) Verdict { return Verdict{OK: true} }
		})
		_, first := r.family(r.person("anna"))
		row, err := slow.Refresh.find(t.Context(), mustParse(t, r, first).family, true)
		if err != nil {
			t.Fatal(err)
		}
		pending := slow.Access.Prepare(row.grant())
		r.clock.Advance(6 * time.Second)
		if _, err := row.refreshed(pending, mustParse(t, r, first), row.IdleUntil); apperr.From(err).Kind != apperr.Unavailable {
			t.Errorf("got %v", err)
		}
		r.refreshed(first)
	})
}

func mustParse(t testing.TB, r *room, raw string) refreshToken {
	t.Helper()
	token, ok := r.Refresh.key().parse(raw)
	if !ok {
		t.Fatal("a token of ours does not parse")
	}
	return token
}

// poll is one poll of this node and must not fail.
func (r *room) poll() {
	r.t.Helper()
	if err := r.Log.poll(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}
