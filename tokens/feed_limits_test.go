package tokens

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

func TestOneServiceHoldsNoMoreStreamsThanItsShare(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		f.deps.Config.MostStreams = 3
		claims, _ := snapshotOf(t, f)
		var opened atomic.Int64
		var all sync.WaitGroup
		streams := make(chan *Stream, 32)
		for range 32 {
			all.Go(func() {
				s, err := f.Open(t.Context(), models.ID{1}, claims.Cursor, alive)
				switch {
				case err == nil:
					opened.Add(1)
					streams <- s
				case apperr.Reason(err) != "too_many_streams" || apperr.From(err).RetryAfter <= 0:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if opened.Load() != 3 {
			t.Fatalf("%d of 32 were opened, want 3", opened.Load())
		}
		other, err := f.Open(t.Context(), models.ID{2}, claims.Cursor, alive)
		if err != nil {
			t.Fatal("another service is refused too", err)
		}
		other.Close()
		(<-streams).Close()
		again, err := f.Open(t.Context(), models.ID{1}, claims.Cursor, alive)
		if err != nil {
			t.Fatal("a stream that ended still counts", err)
		}
		again.Close()
		(<-streams).Close()
		(<-streams).Close()
		if _, err := f.Open(t.Context(), models.ID{1}, "nonsense", alive); err == nil {
			t.Error("nonsense opened a stream")
		}
		if len(f.streams) != 0 {
			t.Errorf("what ended or never began is remembered: %v", f.streams)
		}
	})
}

func TestOneServiceRegistersNoMoreInstancesThanItsShare(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		f.deps.Config.MostInstances = 2
		service, cursor := models.NewID(), f.cursor(f.log.logID, 0)
		acks := []Ack{ackOf(cursor), ackOf(cursor), ackOf(cursor)}
		answer := func(i int) error {
			_, err := f.Answer(t.Context(), service, acks[i])
			return err
		}
		if err := errors.Join(answer(0), answer(1)); err != nil {
			t.Fatal(err)
		}
		if err := answer(2); apperr.Reason(err) != "too_many_followers" {
			t.Fatalf("the third: %v", err)
		}
		if err := answer(0); err != nil {
			t.Error("who is there has to go on", err)
		}
		acks[1].Leave = true
		if err := errors.Join(answer(1), answer(2)); err != nil {
			t.Error("a place that came free is not given", err)
		}
	})
}

func TestOneSessionIsRefreshedNoMoreThanItsShare(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		r.Refresh.limits = ratelimit.NewLimits(ratelimit.New(r.clock.Now, 0), map[ratelimit.Name]ratelimit.Rule{ratelimit.Refresh: {N: 2, Per: time.Minute}})
		session, token := r.family(r.person("ada"))
		_, other := r.family(r.person("bob"))
		token = r.refreshed(r.refreshed(token))
		_, err := r.rotate(token)
		wantReason(t, err, "too_many_attempts")
		if !r.alive(session) {
			t.Error("a refusal ended the session")
		}
		r.refreshed(other)
		r.clock.Advance(30 * time.Second)
		r.refreshed(token)
	})
}
