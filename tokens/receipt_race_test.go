package tokens

import (
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

// The promise of a receipt: no check that begins after it is complete accepts,
// on any node. Checks hammer on every node around each receipt.
func TestNoCheckThatBeginsAfterACompleteReceiptAccepts(t *testing.T) {
	feeds, _ := mysqlFeeds(t, 3)
	hammerReceipts(t, feeds)
}

func TestNoCheckThatBeginsAfterACompleteReceiptAcceptsOnSQLite(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) { hammerReceipts(t, feeds) })
}

func hammerReceipts(t *testing.T, feeds []*Feed) {
	t.Helper()
	run(t, feeds...)
	for _, f := range feeds {
		newInstance(t, f).follow()
	}
	for round := range 15 {
		ending, token := session()
		var complete, stop atomic.Bool
		var checks, late atomic.Int64
		var group sync.WaitGroup
		for _, f := range feeds {
			group.Go(func() {
				for !stop.Load() {
					begun := complete.Load() // read before the check begins
					accepted := !f.log.Revoked(token)
					checks.Add(1)
					if begun && accepted {
						late.Add(1)
					}
				}
			})
		}
		from := feeds[round%len(feeds)]
		r := from.Wait(t.Context(), endWith(t, from.log, ending), longWait)
		wantReceipt(t, r, len(feeds), len(feeds), 2*len(feeds), 0)
		complete.Store(true)
		for enough := checks.Load() + 2000; checks.Load() < enough; {
			_ = from.log.Revoked(token)
		}
		stop.Store(true)
		group.Wait()
		if late.Load() > 0 {
			t.Fatalf("%d checks accepted after the receipt %+v", late.Load(), r)
		}
	}
}
