package tokens

import (
	"context"
	"errors"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// sealing is a poll step in which another node seals.
func sealing(l *Log) pollStep {
	return func(ctx context.Context, _ *gorm.DB, _ *view) error {
		_, err := l.seal(ctx)
		return err
	}
}

func TestASealInTheMiddleOfAPollHidesNothing(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		orders := map[string][]pollStep{
			"before the outbox":  {b.readBeat, sealing(a), b.readOutbox, b.readBatches},
			"before the batches": {b.readBeat, b.readOutbox, sealing(a), b.readBatches},
			"after both":         {b.readBeat, b.readOutbox, b.readBatches, sealing(a)},
		}
		for name, steps := range orders {
			ending, token := session()
			end(t, a, ending)
			if err := b.pollIn(t.Context(), steps...); err != nil {
				t.Fatal(err)
			}
			if !b.Revoked(token) {
				t.Errorf("sealed %s: the ending is unknown", name)
			}
		}
	})
}

func TestMutantThatReadsTheBatchesFirstMissesAnEnding(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		ending, token := session()
		end(t, a, ending)
		if err := b.pollIn(t.Context(), b.readBeat, b.readBatches, sealing(a), b.readOutbox); err != nil {
			t.Fatal(err)
		}
		if b.Revoked(token) {
			t.Error("the mutant saw it: this test no longer shows why the order matters")
		}
	})
}

// sealed ends and seals one session for each of n batches.
func sealed(t testing.TB, l *Log, n int) {
	t.Helper()
	for range n {
		ending, _ := session()
		end(t, l, ending)
		seal(t, l)
	}
}

func exec(t testing.TB, l *Log, query string, args ...any) {
	t.Helper()
	if _, err := l.db.Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func TestAGapInTheLogMeansReadingAllOfItAgain(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		sealed(t, a, 2)
		poll(t, b)
		sealed(t, a, 3) // b sleeps
		ending, token := session()
		end(t, a, ending)
		seal(t, a)
		exec(t, a, "DELETE FROM revocation_batches WHERE seq <= 4") // trimmed meanwhile
		if poll(t, b); !b.Revoked(token) || b.cursor != 6 {
			t.Errorf("revoked %v, cursor %d", b.Revoked(token), b.cursor)
		}
		if err := b.Ready(); err != nil {
			t.Error(err)
		}
		sealed(t, a, 1)
		if poll(t, b); b.cursor != 7 {
			t.Errorf("cursor %d", b.cursor)
		}
	})
}

func TestALogThatEndsBeforeTheCursorIsNeverFresh(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		sealed(t, a, 3)
		poll(t, b)
		exec(t, a, "UPDATE revocation_batches SET seq = seq + 1000 WHERE seq >= 2")
		if err := b.poll(t.Context()); err == nil {
			t.Error("a log with a hole was accepted")
		}
		exec(t, a, "DELETE FROM revocation_batches WHERE seq > 1000")
		for range 2 { // reading from the start must not make it forget how far it was
			if err := b.poll(t.Context()); !errors.Is(err, errBehind) || b.Ready() == nil {
				t.Errorf("got %v and ready %v", err, b.Ready())
			}
		}
	})
}

func TestALaggingReplicaThatCatchesUpIsFreshAgain(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		sealed(t, a, 2)
		poll(t, b)
		var last models.RevocationBatch
		if err := a.db.Read(t.Context()).Where("seq = ?", 2).Take(&last).Error; err != nil {
			t.Fatal(err)
		}
		exec(t, a, "DELETE FROM revocation_batches WHERE seq = 2")
		if err := b.poll(t.Context()); !errors.Is(err, errBehind) || b.Ready() == nil {
			t.Errorf("got %v", err)
		}
		if err := a.db.Write(t.Context(), func(tx *gorm.DB) error { return tx.Create(&last).Error }); err != nil {
			t.Fatal(err)
		}
		poll(t, b)
		if err := b.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestALogThatContinuesDifferentlyIsRecognisedForGood(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		sealed(t, a, 3)
		poll(t, b)
		exec(t, a, "DELETE FROM revocation_batches WHERE seq >= 2") // an older state is restored
		sealed(t, a, 3)                                             // and grows past the cursor
		if err := b.poll(t.Context()); !errors.Is(err, errForked) {
			t.Errorf("got %v", err)
		}
		if _ = b.poll(t.Context()); b.Ready() == nil {
			t.Error("ready on a database that went back in time")
		}
	})
}

func TestAViewGrowsStale(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		clock.Advance(staleAfter)
		if err := a.Ready(); err != nil {
			t.Error(err)
		}
		clock.Advance(time.Second)
		if a.Ready() == nil {
			t.Error("ready without having read for 6 s")
		}
		if err := a.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		poll(t, a)
		if err := a.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestAnUnreadableBatchIsNotSkipped(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a := nodes[0]
		exec(t, a, "INSERT INTO revocation_batches (seq, prev_hash, body, want_ack, sealed_at) VALUES (?, ?, ?, 0, 0)", 1, make([]byte, 32), []byte{9})
		if err := a.poll(t.Context()); !errors.Is(err, errBody) {
			t.Errorf("got %v", err)
		}
	})
}

// The loops run for real here, so this test looks again and again until the
// other node knows; everything else polls by hand.
func TestRunCarriesAnEndingToTheOtherNodeWithinASecond(t *testing.T) {
	nodes, _ := logs(t, testkit.SQLiteURL(t), 2)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{}, len(nodes))
	for _, l := range nodes {
		go func() { l.Run(ctx); stopped <- struct{}{} }()
	}
	ending, token := session()
	end(t, nodes[0], ending)
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !nodes[1].Revoked(token) || countRows(t, nodes[0], "revocation_batches") == 0 {
		select {
		case <-deadline:
			t.Fatal("the other node does not know")
		case <-tick.C:
		}
	}
	cancel()
	for range nodes {
		<-stopped
	}
}
