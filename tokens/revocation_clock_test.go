package tokens

import (
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

func TestTheClusterClockBeginsAsTheMachinesClock(t *testing.T) {
	own := testkit.NewClock()
	c := NewClusterClock(own.Now)
	own.Advance(time.Hour)
	if got := c.Now(); !got.Equal(own.Now()) || got.Location() != time.UTC {
		t.Errorf("got %v, want %v", got, own.Now())
	}
}

func TestTheClusterClockIsTheDatabasesOnMySQL(t *testing.T) {
	own := testkit.NewClock() // months away from the server's
	db := testkit.Open(t, testkit.MySQLURL(t), own.Now)
	c := NewClusterClock(own.Now)
	before := time.Now()
	if err := c.Learn(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if off := c.Now().Sub(before); off < -time.Second || off > 5*time.Second {
		t.Errorf("%v away from the server's clock", off)
	}
	learned := c.Now()
	own.Advance(time.Minute)
	if got := c.Now().Sub(learned); got != time.Minute {
		t.Errorf("a minute takes %v", got)
	}
}

func TestTheClusterClockFollowsTheWallClockOnSQLite(t *testing.T) {
	own := testkit.NewClock()
	db := testkit.DB(t)
	c := NewClusterClock(own.Now)
	own.Advance(time.Hour)
	if err := c.Learn(t.Context(), db); err != nil || !c.Now().Equal(own.Now()) {
		t.Errorf("got %v and %v", c.Now(), err)
	}
}

func TestElapsedTimeIsTheLargerOfBothClocks(t *testing.T) {
	from := time.Now()
	slept := from.Add(time.Second).Round(0) // only the wall clock moved on: no monotonic reading
	if got := elapsed(from, slept); got < time.Second {
		t.Errorf("got %v", got)
	}
	if got := elapsed(from, from.Add(-time.Hour)); got != -time.Hour {
		t.Errorf("got %v", got)
	}
}

func TestTwoNodesWithOwnClocksFarApartAgreeOnTheTime(t *testing.T) {
	url := testkit.MySQLURL(t)
	var clocks []*ClusterClock
	for _, ahead := range []time.Duration{-30 * time.Second, 30 * time.Second} {
		local := func() time.Time { return time.Now().Add(ahead) }
		c := NewClusterClock(local)
		db := testkit.Open(t, url, c.Now)
		l := newLog(Deps{DB: db, Clock: c.Now, Log: testkit.Log(t), Config: testConfig()})
		l.UseClock(c)
		start(t, l)
		clocks = append(clocks, c)
	}
	if off := clocks[1].Now().Sub(clocks[0].Now()).Abs(); off > time.Second {
		t.Errorf("%v apart", off)
	}
}
