package tokens

import (
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/verify"
)

func trim(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTrimForgetsWhatHasExpiredAndNeverTheNewestBatch(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		ending, token := session()
		end(t, a, ending)
		seal(t, a)
		sealed(t, a, 3)
		poll(t, a)
		poll(t, b)
		trim(t, a)
		clock.Advance(12*time.Minute + time.Second) // the life of a token and 2 minutes
		trim(t, a)
		if n := countRows(t, a, "revocation_batches"); n != 1 {
			t.Errorf("%d batches left, want the newest one", n)
		}
		if trim(t, b); b.Revoked(token) {
			t.Error("the other node keeps what is trimmed")
		}
		sealed(t, a, 1)
		if poll(t, b); b.cursor != 5 {
			t.Errorf("cursor %d, want 5", b.cursor)
		}
	})
}

func TestTrimStopsAtTheFirstBatchThatIsNeeded(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		sealed(t, a, 1)
		ending, token := session()
		ending.Kind, ending.Until = EntryToken, clock.Now().Add(time.Hour)
		token.JTI = [16]byte(ending.Target)
		end(t, a, ending)
		seal(t, a)
		sealed(t, a, 2)
		poll(t, a)
		trim(t, a)
		clock.Advance(time.Hour)
		trim(t, a)
		if n := countRows(t, a, "revocation_batches"); n != 3 || !a.Revoked(token) {
			t.Errorf("%d batches left, want 3; revoked %v", n, a.Revoked(token))
		}
	})
}

func TestTrimKeepsRevokedKeysForEver(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		end(t, a, Entry{Kind: EntryKey, Target: []byte("stolen")})
		seal(t, a)
		sealed(t, a, 2)
		for range 3 {
			poll(t, a)
			trim(t, a)
			clock.Advance(time.Hour)
			trim(t, a)
			seal(t, a)
		}
		late := newLog(Deps{DB: a.db, Clock: clock.Now, Log: testkit.Log(t), Config: testConfig()})
		start(t, late)
		for _, l := range []*Log{a, late} {
			if !l.Revoked(&verify.Principal{KeyID: "stolen"}) {
				t.Error("a revoked key came back")
			}
		}
		if n := countRows(t, a, "revocation_batches"); n > 2 {
			t.Errorf("%d batches left", n)
		}
	})
}

func TestAClockThatJumpsForwardDoesNotMakeTheLogForget(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		own := testkit.NewClock()
		a.local = own.Now // the process's own clock runs on as before
		ending, token := session()
		end(t, a, ending)
		seal(t, a)
		sealed(t, a, 2)
		poll(t, a)
		trim(t, a)
		clock.Advance(1000 * time.Hour)
		own.Advance(time.Minute)
		trim(t, a)
		if n := countRows(t, a, "revocation_batches"); n != 3 || !a.Revoked(token) {
			t.Errorf("%d batches left, want 3", n)
		}
	})
}

func TestThirtyTwoTrimmersCarryAKeyOverOnce(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		end(t, a, Entry{Kind: EntryKey, Target: []byte("stolen")})
		seal(t, a)
		sealed(t, a, 1)
		trimmers := make(chan *Log, rivals)
		for range rivals {
			l := newLog(Deps{DB: a.db, Clock: clock.Now, Log: testkit.Log(t), Config: testConfig()})
			start(t, l)
			trim(t, l)
			trimmers <- l
		}
		clock.Advance(time.Hour)
		race(t, func() bool {
			if err := (<-trimmers).Trim(t.Context()); err != nil {
				t.Error(err)
			}
			return true
		})
		if n := countRows(t, a, "revocation_outbox"); n != 1 {
			t.Errorf("the key was carried over %d times", n)
		}
	})
}

func TestMemoryForgetsTheBatchesThatTheLogHasTrimmed(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		for range 5 { // a batch each
			sealed(t, a, 1)
			poll(t, a)
		}
		trim(t, a)
		clock.Advance(12*time.Minute + time.Second) // the life of a token and 2 minutes
		trim(t, a)
		trim(t, a) // follows the floor that the one before has set
		if h := a.published.history; int64(len(h)) != countRows(t, a, "revocation_batches") || h[0].Seq != a.floor {
			t.Errorf("%d batches in memory from %d on, the floor is %d", len(h), h[0].Seq, a.floor)
		}
	})
}

func TestSmallBatchesInMemoryCountAtWhatTheyTake(t *testing.T) {
	var p published
	for seq := range int64(100_000) {
		p.remember(&models.RevocationBatch{Seq: seq + 1, PrevHash: make([]byte, 32), Body: make([]byte, 27)})
	}
	if most := historyBytes / 150; len(p.history) > most { // a row of 88 bytes, a hash and a body
		t.Errorf("%d batches are kept, want %d at most", len(p.history), most)
	}
}
