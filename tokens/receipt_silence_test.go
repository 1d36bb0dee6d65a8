package tokens

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// waits lets a receipt wait while the test goes on.
func waits(t testing.TB, f *Feed, w *Want) <-chan Receipt {
	t.Helper()
	done := make(chan Receipt, 1)
	go func() { done <- f.Wait(t.Context(), w, longWait) }()
	return done
}

// until polls for what another goroutine is about to do.
func until(t testing.TB, what string, so func() bool) {
	t.Helper()
	end := time.After(longWait)
	for !so() {
		select {
		case <-end:
			t.Fatalf("never: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// sealedFor waits until the batch of an ending is known, so that moving the
// clock from then on is time that has passed since.
func sealedFor(t testing.TB, w *Want) {
	t.Helper()
	until(t, "the ending is sealed", func() bool { _, _, ok := w.place(); return ok })
}

func ended(t testing.TB, f *Feed) *Want {
	t.Helper()
	ending, _ := session()
	return endWith(t, f.log, ending)
}

func TestAFollowerThatWasSilentForLongerThanItsBoundIsFencedAtOnce(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		one := newInstance(t, f)
		clock.Advance(one.ack.Bound) // not yet the percent for two clocks
		wantReceipt(t, f.Wait(t.Context(), ended(t, f), shortWait), 1, 1, 1, 0)
		clock.Advance(one.ack.Bound / 50)
		wantReceipt(t, f.Wait(t.Context(), ended(t, f), longWait), 1, 1, 1, 1)
		one.say()
		wantReceipt(t, f.Wait(t.Context(), ended(t, f), shortWait), 1, 1, 1, 0)
	})
}

func TestAFollowerThatIsPausedIsFencedWhenItsBoundIsOver(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		one := newInstance(t, f)
		want := ended(t, f)
		done := waits(t, f, want)
		sealedFor(t, want)
		clock.Advance(one.ack.Bound + one.ack.Bound/50)
		wantReceipt(t, <-done, 1, 1, 1, 1)
	})
}

func TestAFollowerThatAcceptsWithAnOldViewIsNeverFenced(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		one := newInstance(t, f)
		one.ack.Mode = ModeAccept
		one.say()
		clock.Advance(time.Hour)
		r := f.Wait(t.Context(), ended(t, f), shortWait)
		wantReceipt(t, r, 1, 1, 1, 0)
		if p := r.Pending[0]; p.Mode != ModeAccept || p.Until == nil || p.Until.Before(clock.Now().Add(10*time.Minute)) {
			t.Errorf("got %+v", p)
		}
		key := endWith(t, f.log, Entry{Kind: EntryKey, Target: []byte("kid")})
		if r = f.Wait(t.Context(), key, shortWait); r.Pending[0].Until != nil {
			t.Errorf("a key ends for ever: got %+v", r.Pending[0])
		}
	})
}

func TestWhoHasLeftIsNotWaitedFor(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		one := newInstance(t, f)
		want := ended(t, f)
		done := waits(t, f, want)
		sealedFor(t, want)
		one.ack.Leave = true
		one.say() // while somebody waits
		var r Receipt
		until(t, "the receipt", func() bool {
			clock.Advance(listsEvery) // the lists are read again once a second
			select {
			case r = <-done:
				return true
			default:
				return false
			}
		})
		wantReceipt(t, r, 1, 0, 1, 0)
	})
}

func TestWhoRegistersAfterTheEndingHasIt(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		want := ended(t, f)
		if n, err := f.log.seal(t.Context()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		one := &instance{t: t, feed: f, service: models.NewID(), ack: ackOf(f.cursor(f.log.logID, 0))}
		answer, err := f.Answer(t.Context(), one.service, one.ack) // with a snapshot of before
		if err != nil {
			t.Fatal(err)
		}
		var fresh freshnessClaims
		if claimsOf(t, f, freshnessType, answer, &fresh); fresh.Head != 1 {
			t.Errorf("it may take itself for fresh at %d", fresh.Head)
		}
		// It is in the list by now, and has not applied it: it is waited for.
		wantReceipt(t, f.Wait(t.Context(), want, shortWait), 1, 1, 1, 0)
		one.say()
		wantReceipt(t, f.Wait(t.Context(), want, shortWait), 1, 1, 2, 0)
	})
}

func TestANodeThatIsDeadIsFencedAfterItsBoundAndItsFollowersAfterTheirs(t *testing.T) {
	feeds, clock := mysqlFeeds(t, 2)
	a, b := feeds[0], feeds[1]
	run(t, a)
	newInstance(t, b) // and b dies: kill -9
	want := ended(t, a)
	done := waits(t, a, want)
	sealedFor(t, want)
	clock.Advance(NodeBound + NodeBound/50)
	select {
	case r := <-done:
		t.Fatalf("the follower has 20 s left: got %+v", r)
	case <-time.After(4 * ackEvery):
	}
	clock.Advance(31 * time.Second)
	wantReceipt(t, <-done, 2, 1, 1, 2)
	// What was silent before the ending needs no waiting.
	wantReceipt(t, a.Wait(t.Context(), ended(t, a), longWait), 2, 1, 1, 2)
}

// A node that leaves cleanly takes its row away, and nobody can read any more
// whom it spoke with: that a follower is unknown to all who are left is no
// proof of its silence.
func TestAFollowerOfANodeThatHasJustLeftIsNotSilent(t *testing.T) {
	feeds, clock := mysqlFeeds(t, 2)
	a, b := feeds[0], feeds[1]
	run(t, a)
	clock.Advance(time.Hour)
	beat(t, b.log)
	clock.Advance(lookEvery) // a may have looked between the two
	newInstance(t, b)
	until(t, "a looks at b", func() bool {
		a.log.known.mu.Lock()
		defer a.log.known.mu.Unlock()
		return a.log.known.nodes[b.log.id()].beat == 1
	})
	b.log.leave(t.Context())
	wantReceipt(t, a.Wait(t.Context(), ended(t, a), shortWait), 1, 1, 1, 0)
	clock.Advance(31 * time.Second)
	wantReceipt(t, a.Wait(t.Context(), ended(t, a), longWait), 1, 1, 1, 1)
}

// A node that began a moment ago has not watched for long enough to call
// anybody silent.
func TestANodeThatBeganAMomentAgoCallsNobodySilent(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		clock := testkit.NewClock()
		feeds := make([]*Feed, 2)
		for i := range feeds {
			d := feedDeps(t, testkit.Open(t, url, clock.Now), clock)
			feeds[i] = newFeed(d, newLog(d))
			start(t, feeds[i].log)
			if i == 0 {
				newInstance(t, feeds[0]) // and the first one dies
				clock.Advance(20 * time.Second)
			}
		}
		f := feeds[1]
		run(t, f)
		nodes, fenced := 1, 0
		if f.log.db.Dialect() != database.SQLite { // the row of the dead one is there, its beat was never seen
			nodes = 2
		}
		r := f.Wait(t.Context(), ended(t, f), shortWait)
		wantReceipt(t, r, nodes, 1, 1, fenced)
		clock.Advance(31 * time.Second)
		wantReceipt(t, f.Wait(t.Context(), ended(t, f), longWait), nodes, 1, 1, nodes)
	})
}

func TestAReportThatIsNotOfTheBatchProvesNothing(t *testing.T) {
	clock := testkit.NewClock()
	self, other, follower := models.NewID(), models.NewID(), models.NewID()
	long := time.Hour
	s := &scene{now: clock.Now(), self: self, nodes: []peer{{ID: self}, {ID: other, Mode: ModeRefuse, Bound: NodeBound.Microseconds()}},
		followers: []peer{{ID: follower, Mode: ModeRefuse, Bound: (30 * time.Second).Microseconds()}}}
	judge := func(reports ...*report) (node, service standing) {
		s.reports = reports
		t := s.judge(7, s.now)
		return t.node(s.nodes[1]), t.follower(s.followers[0])
	}
	mine := func(seq int64) *report {
		return &report{node: self, seq: seq, watched: long, at: s.now,
			nodes: map[models.ID]time.Duration{other: long}, heard: map[models.ID]said{follower: {6, long}}}
	}
	if n, f := judge(mine(7)); n != fenced || f != fenced {
		t.Errorf("silent for an hour: got %v and %v", n, f)
	}
	if n, f := judge(mine(6)); n != pending || f != pending {
		t.Errorf("by who has not applied it: got %v and %v", n, f)
	}
	foreign := mine(7)
	foreign.logID = models.NewID()
	if n, f := judge(foreign); n != pending || f != pending {
		t.Errorf("of another log: got %v and %v", n, f)
	}
	theirs := &report{node: other, seq: 7, watched: long, at: s.now, heard: map[models.ID]said{follower: {6, time.Second}}}
	if n, f := judge(mine(7), theirs); n != acknowledged || f != pending {
		t.Errorf("it spoke with the other a second ago: got %v and %v", n, f)
	}
	theirs.heard[follower] = said{7, time.Second}
	if _, f := judge(mine(7), theirs); f != acknowledged {
		t.Errorf("it has acked at the other: got %v", f)
	}
	unseen := mine(7)
	delete(unseen.nodes, other)
	if n, f := judge(unseen); n != pending || f != pending {
		t.Errorf("a node that nobody has looked at yet: got %v and %v", n, f)
	}
	short := mine(7)
	short.watched = time.Second
	if n, f := judge(short); n != fenced || f != pending {
		t.Errorf("watched for a second: got %v and %v", n, f)
	}
}

func TestAWordOfTheWrongServiceOrAboveTheHeadIsNoAck(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		one := newInstance(t, f)
		want := ended(t, f)
		sealedFor(t, want)
		until(t, "the node has it", func() bool { at, _ := f.log.position(); return at.seq == 1 })
		good := f.cursor(f.log.logID, 1)
		forged := []byte(good)
		forged[len(forged)-1] ^= 1
		for name, try := range map[string]struct {
			service models.ID
			cursor  string
			want    error
		}{
			"another service": {models.NewID(), good, errNotYours},
			"above the head":  {one.service, f.cursor(f.log.logID, 2), ErrAboveHead},
			"a bad MAC":       {one.service, string(forged), ErrCursor},
			"another log":     {one.service, f.cursor(models.NewID(), 1), ErrCursor},
		} {
			ack := one.ack
			ack.Cursor = try.cursor
			if _, err := f.Answer(t.Context(), try.service, ack); !errors.Is(err, try.want) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		wantReceipt(t, f.Wait(t.Context(), want, shortWait), 1, 1, 1, 0)
	})
}

func TestACallerWhoGoesAwayStopsWaitingOnly(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		newInstance(t, f)
		ending, token := session()
		want := endWith(t, f.log, ending)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		began := time.Now()
		if r := f.Wait(ctx, want, longWait); r.Complete || time.Since(began) > longWait/2 {
			t.Errorf("after %v: got %+v", time.Since(began), r)
		}
		if !f.log.Revoked(token) || len(f.log.wants) != 0 {
			t.Error("the ending does not stand, or is still waited for")
		}
		want = ended(t, f)
		done := waits(t, f, want)
		f.Stop() // and a server that stops waits no longer
		if r := <-done; r.Complete {
			t.Errorf("got %+v", r)
		}
	})
}
