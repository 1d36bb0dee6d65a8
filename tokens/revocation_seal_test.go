package tokens

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/verify"
)

// sealAll seals until the outbox is empty.
func sealAll(t testing.TB, l *Log) {
	t.Helper()
	for countRows(t, l, "revocation_outbox") > 0 {
		if _, err := l.seal(t.Context()); err != nil && !errors.Is(err, errRival) {
			t.Error(err)
			return
		}
	}
}

// wantOnce fails unless every target was sealed exactly once.
func wantOnce(t testing.TB, l *Log, targets map[models.ID]bool) {
	t.Helper()
	times := map[models.ID]int{}
	for _, e := range sealedEntries(t, l) {
		times[models.ID(e.Target)]++
	}
	for id := range targets {
		if times[id] != 1 {
			t.Errorf("an ending was sealed %d times", times[id])
		}
	}
	if len(times) != len(targets) {
		t.Errorf("%d different endings sealed, want %d", len(times), len(targets))
	}
}

func TestThirtyTwoSealersPutEachEntryIntoOneDenseBatch(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		targets := map[models.ID]bool{}
		for range 20 {
			var list []Entry
			for range 10 {
				ending, _ := session()
				targets[models.ID(ending.Target)] = true
				list = append(list, ending)
			}
			end(t, a, list...)
		}
		sealers := make(chan *Log, rivals)
		for range rivals {
			l := newLog(Deps{DB: a.db, Clock: clock.Now, Log: testkit.Log(t), Config: testConfig()})
			start(t, l)
			poll(t, l)
			sealers <- l
		}
		race(t, func() bool { sealAll(t, <-sealers); return true })
		wantOnce(t, a, targets)
	})
}

func TestAStrangersRowIsSealedAfterItWasSeenTwice(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		ending, token := session()
		end(t, a, ending) // and a dies
		for _, want := range []int{0, 1} {
			poll(t, b)
			if n := seal(t, b); n != want {
				t.Errorf("%d entries sealed, want %d", n, want)
			}
		}
		if poll(t, b); !b.Revoked(token) || countRows(t, b, "revocation_outbox") != 0 {
			t.Error("the ending is unknown or still waits")
		}
		if n := seal(t, a); n != 0 {
			t.Error("the writer sealed it again")
		}
	})
}

func TestABatchHoldsAtMostFiveHundred(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a := nodes[0]
		list := make([]Entry, maxBatch+1)
		for i := range list {
			list[i], _ = session()
		}
		end(t, a, list...)
		for _, want := range []int{maxBatch, 1, 0} {
			if n := seal(t, a); n != want {
				t.Errorf("%d entries sealed, want %d", n, want)
			}
		}
	})
}

func TestASealIsNotDelayedByAStrangersOpenTransaction(t *testing.T) {
	t.Run("mysql", func(t *testing.T) { sealBesideAStranger(t, place{"MariaDB", []string{testkit.MySQLURL(t)}}) })
	t.Run("galera", func(t *testing.T) { sealBesideAStranger(t, place{"Galera, one node", testkit.GaleraURLs(t)[:1]}) })
}

func sealBesideAStranger(t *testing.T, p place) {
	nodes, _ := logs(t, p.urls[0], 2)
	a, b := nodes[0], nodes[1]
	inserted, done := make(chan struct{}), make(chan struct{})
	var stranger sync.WaitGroup
	stranger.Go(func() {
		err := b.db.Write(t.Context(), func(tx *gorm.DB) error {
			for range 5 {
				open, _ := session()
				if err := b.Append(tx, open); err != nil {
					return err
				}
			}
			close(inserted)
			<-done
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inserted
	ending, _ := session()
	end(t, a, ending)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // a lock wait takes 5 s
	defer cancel()
	began := time.Now()
	if n, err := a.seal(ctx); n != 1 || err != nil {
		t.Errorf("sealed %d, %v", n, err)
	}
	took := time.Since(began)
	close(done)
	stranger.Wait()
	testkit.Found(t, testkit.Finding{
		Proof: "H1", Case: p.name, Tried: "a seal while a stranger's transaction with 5 endings stays open", Found: "sealed in " + took.Round(time.Millisecond).String(),
	})
}

// crowd is 200 writers who end one session each; some are slow to commit and
// some roll back. Beside the outbox they write to a numbered table, for the
// reader that trusts its numbers.
type crowd struct {
	l        *Log
	inserted sync.WaitGroup // the slow ones have their numbers
	passed   chan struct{}  // the naive reader went past those

	mu        sync.Mutex
	committed map[models.ID]bool
}

const (
	crowdSize = 200
	crowdSlow = 8
)

var errRolledBack = errors.New("rolled back")

// write is one writer.
func (c *crowd) write(t *testing.T, i int) {
	slow := i < crowdSlow && c.l.db.Dialect() == database.MySQL // SQLite has one writer at a time
	once := sync.OnceFunc(c.inserted.Done)
	ending, _ := session()
	err := c.l.Write(t.Context(), func(tx *gorm.DB) error {
		if err := tx.Exec("INSERT INTO naive (target) VALUES (?)", models.ID(ending.Target)).Error; err != nil {
			return err
		}
		if err := c.l.Append(tx, ending); err != nil {
			return err
		}
		if i < crowdSlow {
			once()
		}
		if slow {
			<-c.passed
		}
		if i%7 == 3 {
			return errRolledBack
		}
		return nil
	})
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.committed[models.ID(ending.Target)] = true
	} else if !errors.Is(err, errRolledBack) {
		t.Error(err)
	}
}

// naiveReader follows a table by its numbers.
type naiveReader struct {
	cursor int64
	known  map[models.ID]bool
}

func (n *naiveReader) poll(t *testing.T, db *database.DB) {
	var rows []struct {
		N      int64
		Target models.ID
	}
	if err := db.Read(t.Context()).Raw("SELECT n, target FROM naive WHERE n > ? ORDER BY n", n.cursor).Scan(&rows).Error; err != nil {
		t.Error(err)
	}
	for _, row := range rows {
		n.cursor, n.known[row.Target] = row.N, true
	}
}

func TestTwoHundredWritersLoseNothingWhereANaiveReaderDoes(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		column := "INTEGER PRIMARY KEY AUTOINCREMENT"
		if a.db.Dialect() == database.MySQL {
			column = "BIGINT PRIMARY KEY AUTO_INCREMENT"
		}
		if _, err := a.db.Exec(t.Context(), "CREATE TABLE naive (n "+column+", target BLOB)"); err != nil {
			t.Fatal(err)
		}
		c := &crowd{l: a, passed: make(chan struct{}), committed: map[models.ID]bool{}}
		naive := naiveReader{known: map[models.ID]bool{}}
		c.inserted.Add(crowdSlow)
		pass := sync.OnceFunc(func() { close(c.passed) })
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			var writers sync.WaitGroup
			for i := range crowdSize {
				if i == crowdSlow {
					c.inserted.Wait()
				}
				writers.Go(func() { c.write(t, i) })
			}
			writers.Wait()
		}()
		for running := true; running; {
			select {
			case <-finished:
				running = false
			default:
			}
			poll(t, b)
			if _, err := b.seal(t.Context()); err != nil && !errors.Is(err, errRival) {
				t.Error(err)
			}
			if naive.poll(t, b.db); naive.cursor > crowdSize/2 {
				pass()
			}
		}
		for range 2 {
			poll(t, b)
			seal(t, b)
		}
		poll(t, b)
		c.check(t, b, naive)
	})
}

func (c *crowd) check(t *testing.T, reader *Log, naive naiveReader) {
	t.Helper()
	wantOnce(t, reader, c.committed)
	lost := 0
	for id := range c.committed {
		if !reader.Revoked(&verify.Principal{SID: id}) {
			t.Error("the log's reader lost an ending")
		}
		if !naive.known[id] {
			lost++
		}
	}
	t.Logf("%d endings, the naive reader lost %d", len(c.committed), lost)
	if lost == 0 && reader.db.Dialect() == database.MySQL {
		t.Error("the naive reader lost nothing: the test does not show what it should")
	}
}
