package tokens

import (
	"context"
	"sync/atomic"
	"time"

	"gatehouse/internal/database"
)

// ClusterClock is the clock that the rooms of every node share: the process's
// own monotonic clock plus the offset to the clock of the database. Times that
// two nodes compare (retry window, idle ends, lock-outs, trimming) come from
// it, because with clocks one retry window apart an honest owner of a refresh
// token would be taken for a thief. It moves nowhere but in Learn, so that
// whoever has to react to a jump does so before the rooms see the new time.
type ClusterClock struct {
	local   func() time.Time
	told    func() time.Time // of tests: the database's clock
	reading atomic.Pointer[reading]
	steps   steps
}

// reading says what time the database had when our own clock stood at base.
type reading struct {
	base time.Time // with Go's monotonic reading, so that a stepped wall clock moves nothing
	at   time.Time
}

// now is the time by this reading when the process's own clock says local.
func (r *reading) now(local time.Time) time.Time { return r.at.Add(local.Sub(r.base)) }

// NewClusterClock starts from the machine's own clock until Learn is called.
// local is time.Now, or a test's.
func NewClusterClock(local func() time.Time) *ClusterClock {
	c := &ClusterClock{local: local}
	c.reading.Store(machine(local()))
	c.steps.moved = c.reading.Load().base
	return c
}

// Tell has told answer in place of the database, for tests that move its clock.
func (c *ClusterClock) Tell(told func() time.Time) { c.told = told }

// Now is the time of the cluster in UTC.
func (c *ClusterClock) Now() time.Time { return c.reading.Load().now(c.local()) }

// machine is the reading by which the wall clock of this machine is right.
func machine(local time.Time) *reading { return &reading{base: local, at: local.Round(0).UTC()} }

// databaseTime does not depend on the session's time zone.
const databaseTime = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))"

// Learn asks the database for its time, and begins with it: that the machine's
// own clock was ahead of it is no jump.
func (c *ClusterClock) Learn(ctx context.Context, db *database.DB) error {
	next, err := c.ask(ctx, db)
	if err == nil {
		c.reading.Store(next)
		c.steps.jumped(next, true)
	}
	return err
}

// ask is the reading that the database gives. SQLite runs in this process, so
// its clock is the machine's wall clock. A difference that the way there and
// back could explain is no reason to move the clock.
func (c *ClusterClock) ask(ctx context.Context, db *database.DB) (*reading, error) {
	before := c.local()
	switch {
	case c.told != nil:
		return &reading{base: before, at: c.told().UTC()}, nil
	case db.Dialect() == database.SQLite:
		return machine(before), nil
	}
	var micros int64
	if err := db.Read(ctx).Raw(databaseTime).Scan(&micros).Error; err != nil {
		return nil, database.Unavailable(err)
	}
	slack := c.local().Sub(before) / 2
	middle, told := before.Add(slack), time.UnixMicro(micros).UTC()
	believed := c.reading.Load()
	if told.Sub(believed.now(middle)).Abs() <= slack {
		return believed, nil
	}
	return &reading{base: middle, at: told}, nil
}

// elapsed is how much time passed between two readings of this process's own
// clock: the larger of monotonic and wall time, because the monotonic clock
// stands still while a machine sleeps and the wall clock can be set back.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
