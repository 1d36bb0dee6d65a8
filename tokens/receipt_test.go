package tokens

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// endWith ends things on a node and asks for a receipt.
func endWith(t testing.TB, l *Log, entries ...Entry) *Want {
	t.Helper()
	ctx, want := WithReceipt(t.Context())
	if err := l.Write(ctx, func(tx *gorm.DB) error { return l.Append(tx, entries...) }); err != nil {
		t.Fatal(err)
	}
	return want
}

// run lets the logs of the feeds work, and stops them with the test.
func run(t testing.TB, feeds ...*Feed) {
	t.Helper()
	for _, f := range feeds {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { f.log.Run(ctx); close(done) }()
		t.Cleanup(func() { stop(); <-done })
	}
}

// instance is a follower that the test plays.
type instance struct {
	t       testing.TB
	feed    *Feed
	service models.ID
	ack     Ack
}

// newInstance begins to follow at a feed.
func newInstance(t testing.TB, f *Feed) *instance {
	t.Helper()
	i := &instance{t: t, feed: f, service: models.NewID(), ack: ackOf(f.cursor(f.log.logID, 0))}
	i.say()
	return i
}

// say acks all that the node of the follower has.
func (i *instance) say() {
	i.t.Helper()
	at, _ := i.feed.log.position()
	i.ack.Cursor = i.feed.cursor(at.logID, at.seq)
	if _, err := i.feed.Answer(i.t.Context(), i.service, i.ack); err != nil {
		i.t.Fatal(err)
	}
}

// follow acks whatever comes until the test ends.
func (i *instance) follow() {
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			at, changed := i.feed.log.position()
			i.ack.Cursor = i.feed.cursor(at.logID, at.seq)
			if _, err := i.feed.Answer(ctx, i.service, i.ack); err != nil && ctx.Err() == nil {
				i.t.Error(err)
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	})
	i.t.Cleanup(func() { stop(); done.Wait() })
}

// wantReceipt compares what counts.
func wantReceipt(t testing.TB, r Receipt, nodes, subscribers, acknowledged, fenced int) {
	t.Helper()
	complete := acknowledged+fenced == nodes+subscribers
	if r.Nodes != nodes || r.Subscribers != subscribers || r.Acknowledged != acknowledged || r.Fenced != fenced ||
		r.Complete != complete || len(r.Pending) != nodes+subscribers-acknowledged-fenced {
		t.Fatalf("got %+v, want %d nodes, %d subscribers, %d acknowledged, %d fenced", r, nodes, subscribers, acknowledged, fenced)
	}
}

const longWait, shortWait = 20 * time.Second, 300 * time.Millisecond

func TestAReceiptIsCompleteWhenTheFollowerHasAppliedTheEnding(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		one := newInstance(t, f)
		one.follow()
		ending, token := session()
		want := endWith(t, f.log, ending)
		if !f.log.Revoked(token) {
			t.Error("not ended here")
		}
		r := f.Wait(t.Context(), want, longWait)
		wantReceipt(t, r, 1, 1, 2, 0)
		if r.Revoked != 1 || r.Seq != 1 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestAFollowerThatDoesNotAnswerIsNamed(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		one := newInstance(t, f)
		ending, _ := session()
		r := f.Wait(t.Context(), endWith(t, f.log, ending), shortWait)
		wantReceipt(t, r, 1, 1, 1, 0)
		p := r.Pending[0]
		if p.Kind != PendingService || p.Instance != one.ack.Instance.String() || p.Mode != ModeRefuse || p.Until == nil {
			t.Errorf("got %+v", p)
		}
		if until, ok := r.Until(); !ok || until.Sub(f.deps.Clock()) > one.ack.Bound*102/100 {
			t.Errorf("until %v", until)
		}
	})
}

// Everybody who can sign in may ask for a receipt with a timeout of a
// nanosecond, and then everybody is missing.
func TestAReceiptTellsPeopleNoMachines(t *testing.T) {
	r := Receipt{Pending: []Missing{
		{Kind: PendingNode, Name: "db-host-3 10.1.2.3:5000", Instance: "1"}, {Kind: PendingService, Name: "orders", Instance: "2"},
	}}
	told := r.ForPeople()
	if told.Pending[0].Name != "" || told.Pending[0].Instance != "1" || told.Pending[1].Name != "orders" {
		t.Errorf("told %+v", told.Pending)
	}
	if r.Pending[0].Name == "" {
		t.Error("the operator's receipt lost the name, too")
	}
	if none := (Receipt{}).ForPeople(); none.Pending == nil {
		t.Error("an empty list is written as null")
	}
}

func TestAFollowerAtAnotherNodeCounts(t *testing.T) {
	nodes, _ := mysqlFeeds(t, 2)
	a, b := nodes[0], nodes[1]
	run(t, a, b)
	newInstance(t, b).follow()
	ending, _ := session()
	r := a.Wait(t.Context(), endWith(t, a.log, ending), longWait)
	wantReceipt(t, r, 2, 1, 3, 0)
}

func mysqlFeeds(t *testing.T, n int) ([]*Feed, *testkit.Clock) {
	t.Helper()
	url, clock := testkit.MySQLURL(t), testkit.NewClock()
	feeds := make([]*Feed, n)
	for i := range feeds {
		d := feedDeps(t, testkit.Open(t, url, clock.Now), clock)
		feeds[i] = newFeed(d, newLog(d))
		start(t, feeds[i].log)
	}
	return feeds, clock
}

func TestNobodyToWaitForIsACompleteReceiptAtOnce(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		clock := testkit.NewClock()
		d := feedDeps(t, testkit.Open(t, url, clock.Now), clock)
		f := newFeed(d, newLog(d)) // a command: never started
		ending, _ := session()
		r := f.Wait(t.Context(), endWith(t, f.log, ending), longWait)
		wantReceipt(t, r, 0, 0, 0, 0)
		if r.Seq != 1 || r.Revoked != 1 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestACommandWaitsForTheServerBesideIt(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		clock := testkit.NewClock()
		d := feedDeps(t, testkit.Open(t, url, clock.Now), clock)
		server := newFeed(d, newLog(d))
		start(t, server.log)
		run(t, server)
		newInstance(t, server).follow()
		d.DB = testkit.Open(t, url, clock.Now)
		command := newFeed(d, newLog(d))
		ending, token := session()
		r := command.Wait(t.Context(), endWith(t, command.log, ending), longWait)
		wantReceipt(t, r, 1, 1, 2, 0)
		if !server.log.Revoked(token) {
			t.Error("the server acknowledged and accepts")
		}
	})
}

func TestACommandBesideADeadServerWaitsForItsBound(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		clock := testkit.NewClock()
		d := feedDeps(t, testkit.Open(t, url, clock.Now), clock)
		start(t, newLog(d)) // and dies
		command := newFeed(d, newLog(d))
		want := ended(t, command)
		done := waits(t, command, want)
		sealedFor(t, want)
		clock.Advance(NodeBound + NodeBound/50)
		wantReceipt(t, <-done, 1, 0, 0, 1)
	})
}

func TestAViewOlderThanTheBoundOfANodeIsNotFresh(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a := nodes[0]
		clock.Advance(NodeBound)
		if !a.Fresh() {
			t.Error("refuses too early")
		}
		clock.Advance(time.Millisecond)
		if a.Fresh() {
			t.Error("a view of more than 10 s is believed")
		}
		beat(t, a)
		poll(t, a)
		if !a.Fresh() {
			t.Error("refuses after it has read everything")
		}
	})
	l := newLog(Deps{Clock: testkit.NewClock().Now})
	if l.Fresh() {
		t.Error("a node that has read nothing is fresh")
	}
}

// Everybody is refused then: a line for each of them helps nobody.
func TestANodeWithAnOldViewSaysOnceThatItRefusesAndOnceThatItDoesNot(t *testing.T) {
	eachLogs(t, 1, func(t *testing.T, nodes []*Log, clock *testkit.Clock) {
		a, lines := nodes[0], &bytes.Buffer{}
		a.log = slog.New(slog.NewTextHandler(lines, nil))
		said := func(what string, want int) {
			t.Helper()
			if n := strings.Count(lines.String(), what); n != want {
				t.Errorf("%q was said %d times, want %d:\n%s", what, n, want, lines)
			}
		}
		for round := 1; round <= 2; round++ {
			clock.Advance(NodeBound + time.Second)
			testkit.Race(t, 32, func(int) (bool, error) { return a.Fresh(), nil })
			said("this node refuses access tokens", round)
			for range 3 {
				follow(t, a)
			}
			said("this node takes access tokens again", round)
		}
		said("level=", 4)
	})
}

// countWrites has the database count how often rows of nodes are written.
func countWrites(t *testing.T, l *Log) func() int64 {
	t.Helper()
	exec(t, l, "CREATE TABLE acks_written (n INTEGER NOT NULL)")
	exec(t, l, "INSERT INTO acks_written VALUES (0)")
	body := "UPDATE acks_written SET n = n + 1"
	if l.db.Dialect() == database.SQLite {
		body = "BEGIN " + body + "; END"
	}
	exec(t, l, "CREATE TRIGGER acks_count AFTER UPDATE ON node_acks FOR EACH ROW "+body)
	return func() (n int64) {
		if err := l.db.Read(t.Context()).Raw("SELECT n FROM acks_written").Scan(&n).Error; err != nil {
			t.Fatal(err)
		}
		return n
	}
}

func TestANodeWritesNothingWithoutAWaiterAndLittleWithMany(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		writes := countWrites(t, f.log)
		run(t, f)
		for range 5 {
			newInstance(t, f).follow()
		}
		for range 30 {
			ending, _ := session()
			end(t, f.log, ending)
		}
		until(t, "all is read", func() bool { return countRows(t, f.log, "revocation_outbox") == 0 })
		if n := writes(); n != 0 {
			t.Errorf("%d writes without a waiter", n)
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				for range 5 {
					if r := f.Wait(t.Context(), ended(t, f), longWait); !r.Complete {
						t.Errorf("got %+v", r)
					}
				}
			})
		}
		all.Wait()
		took := time.Since(began)
		if n, most := writes(), int64(took/ackEvery)+2; n > most {
			t.Errorf("%d writes in %v, at most %d", n, took, most)
		}
		t.Logf("200 receipts in %v with %d writes", took, writes())
	})
}

// Other nodes tell that they have applied a batch which asks for acks, and no
// other one: whoever waited for a later number waited in vain.
func TestAReceiptWaitsForTheBatchOfItsEndingAndNotForALaterOne(t *testing.T) {
	eachLogs(t, 2, func(t *testing.T, nodes []*Log, _ *testkit.Clock) {
		a, b := nodes[0], nodes[1]
		ending, _ := session()
		want := endWith(t, a, ending)
		poll(t, b)
		poll(t, b) // a stranger's row that was seen twice is sealed by whoever saw it
		if n := seal(t, b); n != 1 {
			t.Fatalf("%d sealed, want 1", n)
		}
		sealed(t, b, 2) // and nobody waits for these
		poll(t, a)
		if seq, _, ok := want.place(); !ok || seq != 1 {
			t.Errorf("waits for batch %d (%v), want 1", seq, ok)
		}
		later, _ := session()
		want = endWith(t, a, later)
		poll(t, b)
		poll(t, b)
		seal(t, b) // batch 4
		sealed(t, b, 1)
		if err := a.sealedByOthers(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if seq, _, ok := want.place(); !ok || seq != 4 {
			t.Errorf("a command waits for batch %d (%v), want 4", seq, ok)
		}
	})
}

func FuzzReport(f *testing.F) {
	r := &report{watched: time.Hour, heard: map[models.ID]said{models.NewID(): {3, time.Second}}, nodes: map[models.ID]time.Duration{models.NewID(): time.Minute}}
	f.Add(r.encode())
	f.Add([]byte{reportVersion})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeReport(&models.NodeAck{Body: body})
		if err != nil {
			return
		}
		again, err := decodeReport(&models.NodeAck{Body: r.encode()})
		if err != nil || again.watched != r.watched || len(again.heard) != len(r.heard) || len(again.nodes) != len(r.nodes) {
			t.Errorf("%x does not come back", body)
		}
	})
}
