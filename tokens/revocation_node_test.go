package tokens

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// mysqlLogs are n nodes on MySQL, where they have rows and beats.
func mysqlLogs(t *testing.T, n int) ([]*Log, *testkit.Clock) {
	t.Helper()
	return logs(t, testkit.MySQLURL(t), n)
}

func beat(t testing.TB, l *Log) {
	t.Helper()
	if err := l.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAViewIsAsOldAsTheBeatThatItReadBack(t *testing.T) {
	nodes, clock := mysqlLogs(t, 1)
	a := nodes[0]
	sent := clock.Advance(2 * time.Second)
	beat(t, a)
	clock.Advance(3 * time.Second)
	poll(t, a) // reads now, through a replica that may lag: what counts is when the beat was sent
	if !a.status.asOf.Equal(sent) {
		t.Errorf("as of %v, want %v", a.status.asOf, sent)
	}
	if len(a.node.sent) != 1 {
		t.Errorf("%d beats are remembered", len(a.node.sent))
	}
}

func TestABeatThatTheDatabaseLostMakesTheNodeNotReady(t *testing.T) {
	nodes, _ := mysqlLogs(t, 1)
	a := nodes[0]
	beat(t, a)
	beat(t, a)
	exec(t, a, "UPDATE nodes SET beat = 1")
	if err := a.beat(t.Context()); !errors.Is(err, errLostBeat) {
		t.Errorf("got %v", err)
	}
	poll(t, a)
	if a.Ready() == nil {
		t.Error("ready on a database that lost a commit")
	}
}

func TestASecondProcessUnderOneIdIsNoticed(t *testing.T) {
	nodes, _ := mysqlLogs(t, 1)
	a := nodes[0]
	exec(t, a, "UPDATE nodes SET boot = ?", models.NewID())
	if err := a.beat(t.Context()); !errors.Is(err, errTwin) || a.Ready() == nil {
		t.Errorf("got %v", err)
	}
}

func TestABeatWhoseAnswerWasLostIsNoAlarm(t *testing.T) {
	nodes, _ := mysqlLogs(t, 1)
	a := nodes[0]
	a.node.sent[1] = a.local()
	exec(t, a, "UPDATE nodes SET beat = 1")
	for range 2 {
		beat(t, a)
		poll(t, a)
	}
	if err := a.Ready(); err != nil || a.node.beat != 2 {
		t.Errorf("got %v and beat %d", err, a.node.beat)
	}
}

func TestANodeThatStoodStillForADayRegistersAgain(t *testing.T) {
	nodes, clock := mysqlLogs(t, 2)
	a, b := nodes[0], nodes[1]
	clock.Advance(nodeGoneAfter + time.Second)
	beat(t, b)
	if err := b.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, b, "nodes"); n != 1 {
		t.Errorf("%d nodes, want 1", n)
	}
	if a.poll(t.Context()) == nil || a.Ready() == nil {
		t.Error("a node without a row is fresh")
	}
	beat(t, a)
	poll(t, a)
	if err := a.Ready(); err != nil {
		t.Error(err)
	}
}

func TestANodeSignsOffWhenItStops(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		nodes, _ := logs(t, url, 1)
		a := nodes[0]
		if n := countRows(t, a, "nodes") + countRows(t, a, "node_acks"); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		a.Run(ctx)
		if n := countRows(t, a, "nodes") + countRows(t, a, "node_acks"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if a.Fresh() {
			t.Error("a node that receipts no longer wait for still accepts")
		}
	})
}

func TestNodesThatStartTogetherMakeOneDeployment(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		clock := testkit.NewClock()
		db := testkit.Open(t, url, clock.Now)
		made := make(chan *Log, rivals)
		race(t, func() bool {
			l := newLog(Deps{DB: db, Clock: clock.Now, Log: testkit.Log(t), Config: testConfig()})
			if err := l.Start(t.Context()); err != nil {
				t.Error(err)
			}
			made <- l
			return true
		})
		close(made)
		ids := map[models.ID]bool{}
		for l := range made {
			ids[l.logID] = true
		}
		if len(ids) != 1 {
			t.Errorf("%d logs", len(ids))
		}
	})
}
