package tokens

import (
	"testing"
	"time"
)

// whoWaits is somebody who waits for the receipt of an ending that a silent
// follower has not put in force, while the log begins anew under all three.
func whoWaits(t *testing.T, a *room, anew func()) (Receipt, time.Duration) {
	t.Helper()
	run(t, a.Feed)
	one := newInstance(t, a.Feed)
	before, _ := a.Log.position()
	ending, _ := session()
	want := endWith(t, a.Log, ending)
	done := waits(t, a.Feed, want)
	sealedFor(t, want)
	select {
	case r := <-done:
		t.Fatalf("the follower has said nothing: %+v", r)
	case <-time.After(2 * ackEvery):
	}
	anew()
	began := time.Now()
	until(t, "the node follows the new log", func() bool {
		at, _ := a.Log.position()
		return at.logID != before.logID
	})
	// The follower follows too. Its place in the new log says nothing of what
	// was ended in the old one.
	one.say()
	return <-done, time.Since(began)
}

// wantOpen fails unless the receipt says that nobody is known to have obeyed.
func wantOpen(t *testing.T, r Receipt, took time.Duration) {
	t.Helper()
	if r.Complete || r.Revoked != 1 || r.Seq != 0 || r.Acknowledged != 0 || r.Fenced != 0 || r.Nodes == 0 || len(r.Pending) != r.Nodes+r.Subscribers {
		t.Errorf("got %+v", r)
	}
	kinds := map[string]int{}
	for _, p := range r.Pending {
		kinds[p.Kind]++
		if p.Until != nil {
			t.Errorf("what a backup brought back has no end that anybody knows: %+v", p)
		}
	}
	if kinds[PendingNode] != r.Nodes || kinds[PendingService] != r.Subscribers {
		t.Errorf("%v are named, of %+v", kinds, r)
	}
	if took > longWait/2 {
		t.Errorf("it waited for %v", took)
	}
}

// With the sessions kept a restore revives what was ended. Whoever still waits
// must not be told that it is in force.
func TestAReceiptThatWaitsWhileTheLogBeginsAnewIsNotComplete(t *testing.T) {
	for name, keep := range map[string]bool{"sessions kept": true, "everything ended": false} {
		t.Run(name, func(t *testing.T) {
			eachRoom(t, func(t *testing.T, a *room) {
				r, took := whoWaits(t, a, func() {
					if _, err := a.Restored(t.Context(), keep); err != nil {
						t.Fatal(err)
					}
				})
				wantOpen(t, r, took)
				next := a.Feed.Wait(t.Context(), ended(t, a.Feed), shortWait)
				if next.Seq == 0 || next.Acknowledged != 1 || len(next.Pending) != 1 {
					t.Errorf("the next one is judged by the new log: %+v", next)
				}
			})
		})
	}
}

func TestAReceiptThatWaitsWhileTheDatabaseGoesBackIsNotComplete(t *testing.T) {
	eachRoom(t, func(t *testing.T, a *room) {
		a.saved()
		r, took := whoWaits(t, a, func() { a.rewind(rewound...) })
		wantOpen(t, r, took)
	})
}
