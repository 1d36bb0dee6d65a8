package tokens

import (
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/verify"
)

// logs are n nodes on one database, each with connections of its own, and the
// clock that they share.
func logs(t testing.TB, url string, n int) ([]*Log, *testkit.Clock) {
	t.Helper()
	clock := testkit.NewClock()
	nodes := make([]*Log, n)
	for i := range nodes {
		nodes[i] = newLog(Deps{DB: testkit.Open(t, url, clock.Now), Clock: clock.Now, Log: testkit.Log(t), Config: testConfig()})
		start(t, nodes[i])
	}
	return nodes, clock
}

// eachLogs runs a test with n nodes on every database.
func eachLogs(t *testing.T, n int, test func(t *testing.T, nodes []*Log, clock *testkit.Clock)) {
	t.Helper()
	testkit.EachURL(t, func(t *testing.T, url string) {
		nodes, clock := logs(t, url, n)
		test(t, nodes, clock)
	})
}

func start(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func poll(t testing.TB, l *Log) {
	t.Helper()
	if err := l.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func seal(t testing.TB, l *Log) int {
	t.Helper()
	n, err := l.seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// end ends things on a node as the rooms do.
func end(t testing.TB, l *Log, entries ...Entry) {
	t.Helper()
	if err := l.Write(t.Context(), func(tx *gorm.DB) error { return l.Append(tx, entries...) }); err != nil {
		t.Fatal(err)
	}
}

// session is a fresh session's ending and a token of that session.
func session() (Entry, *verify.Principal) {
	id := models.NewID()
	return sidEntry(id), &verify.Principal{SID: id, Sub: models.NewID(), JTI: models.NewID(), ClientID: "app", KeyID: "k1"}
}

// sealedEntries reads the whole log and fails unless its numbers are dense.
func sealedEntries(t testing.TB, l *Log) (all []Entry) {
	t.Helper()
	var rows []models.RevocationBatch
	if err := l.db.Read(t.Context()).Order("seq").Find(&rows).Error; err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if row.Seq != rows[0].Seq+int64(i) {
			t.Fatalf("batch %d follows %d", row.Seq, rows[i-1].Seq)
		}
		entries, err := decodeBody(row.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entries...)
	}
	return all
}

func countRows(t testing.TB, l *Log, table string) (n int64) {
	t.Helper()
	if err := l.db.Read(t.Context()).Table(table).Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnEndingIsRefusedHereAtOnceAndOnAnotherNodeAfterOnePoll(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		ending, token := session()
		end(t, a, ending)
		if !a.Revoked(token) {
			t.Error("the node that ended the session accepts its token")
		}
		if b.Revoked(token) {
			t.Error("the other node knows without having read")
		}
		if poll(t, b); !b.Revoked(token) {
			t.Error("the other node accepts the token after its poll")
		}
		// Sealed by its writer, it stays known everywhere.
		if n := seal(t, a); n != 1 {
			t.Errorf("%d entries sealed, want 1", n)
		}
		for _, l := range nodes {
			if poll(t, l); !l.Revoked(token) || l.cursor != 1 {
				t.Errorf("after the seal: cursor %d, revoked %v", l.cursor, l.Revoked(token))
			}
		}
	})
}

func TestANodeThatStartsLaterKnowsEverything(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		var tokens []*verify.Principal
		for i := range 3 * batchPage {
			ending, token := session()
			end(t, a, ending)
			if i%2 == 0 {
				seal(t, a)
			}
			tokens = append(tokens, token)
		}
		late := newLog(Deps{DB: a.db, Clock: clock.Now, Log: testkit.Log(t), Config: testConfig()})
		if late.Ready() == nil {
			t.Error("ready before it has read anything")
		}
		start(t, late)
		if err := late.Ready(); err != nil {
			t.Error(err)
		}
		for i, token := range tokens {
			if !late.Revoked(token) {
				t.Fatalf("ending %d is unknown", i)
			}
		}
	})
}

func TestWhatIsRolledBackEndsNothing(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, broken := nodes[0], errors.New("no")
		ending, token := session()
		err := a.Write(t.Context(), func(tx *gorm.DB) error {
			if err := a.Append(tx, ending); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) || a.Revoked(token) || countRows(t, a, "revocation_outbox") != 0 {
			t.Errorf("got %v, revoked %v", err, a.Revoked(token))
		}
	})
}

func TestARetriedTransactionAppendsOnce(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, tries := nodes[0], 0
		ending, _ := session()
		err := a.Write(t.Context(), func(tx *gorm.DB) error {
			if err := a.Append(tx, ending); err != nil {
				return err
			}
			if tries++; tries == 1 && a.db.Dialect() == database.MySQL {
				return &mysql.MySQLError{Number: 1213, Message: "Deadlock found"}
			}
			return nil
		})
		if n := countRows(t, a, "revocation_outbox"); err != nil || n != 1 {
			t.Errorf("got %v and %d rows after %d tries", err, n, tries)
		}
	})
}

func TestAnAppendInAnyTransactionIsKnownAfterAPoll(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a := nodes[0]
		ending, token := session()
		if err := a.db.Write(t.Context(), func(tx *gorm.DB) error { return a.Append(tx, ending) }); err != nil {
			t.Fatal(err)
		}
		if poll(t, a); !a.Revoked(token) {
			t.Error("the ending is unknown")
		}
	})
}

func TestAnEntryLivesAsLongAsTheLongestTokenEverGiven(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		config := testConfig()
		config.AccessTTL = time.Minute // shorter than the first node's 10 minutes
		b := newLog(Deps{DB: nodes[0].db, Clock: clock.Now, Log: testkit.Log(t), Config: config})
		start(t, b)
		ending, _ := session()
		exp := clock.Now().Add(time.Hour)
		end(t, b, ending,
			Entry{Kind: EntryToken, Target: models.NewID().Bytes(), Until: exp},
			Entry{Kind: EntryKey, Target: []byte("k1"), Until: exp})
		want := map[string]models.Time{
			EntrySession: models.At(clock.Now().Add(12 * time.Minute)), EntryToken: models.At(exp), EntryKey: {},
		}
		var rows []models.RevocationOutbox
		if err := b.db.Read(t.Context()).Find(&rows).Error; err != nil || len(rows) != 3 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, row := range rows {
			if !row.Until.Equal(want[row.Kind].Time) {
				t.Errorf("%s lives until %v, want %v", row.Kind, row.Until, want[row.Kind])
			}
		}
	})
}

func TestMalformedEntriesAreRefused(t *testing.T) {
	l := newLog(Deps{DB: testkit.DB(t), Clock: testkit.NewClock().Now, Config: testConfig()})
	id := models.NewID()
	for _, bad := range []Entry{
		{}, {Kind: "all", Target: id.Bytes()}, {Kind: EntrySession}, {Kind: EntrySession, Target: make([]byte, 16)},
		{Kind: EntryToken, Target: id[:15]}, {Kind: EntrySubject, Target: id.Bytes()}, {Kind: EntrySession, Target: id.Bytes(), Epoch: 1},
		{Kind: EntryKey}, {Kind: EntryClient, Target: make([]byte, maxName+1), Epoch: 1},
	} {
		if err := l.Write(t.Context(), func(tx *gorm.DB) error { return l.Append(tx, bad) }); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}
