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
// token would be taken for a thief.
type ClusterClock struct {
	local   func() time.Time
	reading atomic.Pointer[reading]
}

// reading says what time the database had when our own clock stood at base.
type reading struct {
	base time.Time // with Go's monotonic reading, so that a stepped wall clock moves nothing
	at   time.Time
}

// NewClusterClock starts from the machine's own clock until Learn is called.
// local is time.Now, or a test's.
func NewClusterClock(local func() time.Time) *ClusterClock {
	c := &ClusterClock{local: local}
	c.set(local(), 0)
	return c
}

// Now is the time of the cluster in UTC.
func (c *ClusterClock) Now() time.Time {
	r := c.reading.Load()
	return r.at.Add(c.local().Sub(r.base))
}

func (c *ClusterClock) set(base time.Time, offset time.Duration) {
	c.reading.Store(&reading{base: base, at: base.Round(0).UTC().Add(offset)})
}

// databaseTime does not depend on the session's time zone.
const databaseTime = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))"

// Learn asks the database for its time. SQLite runs in this process, so its
// clock is the machine's wall clock. A difference that the way there and back
// could explain is no reason to move the clock.
func (c *ClusterClock) Learn(ctx context.Context, db *database.DB) error {
	before := c.local()
	if db.Dialect() == database.SQLite {
		c.set(before, 0)
		return nil
	}
	var micros int64
	if err := db.Read(ctx).Raw(databaseTime).Scan(&micros).Error; err != nil {
		return database.Unavailable(err)
	}
	slack := c.local().Sub(before) / 2
	middle := before.Add(slack)
	told := time.UnixMicro(micros)
	believed := c.reading.Load()
	if moved := told.Sub(believed.at.Add(middle.Sub(believed.base))); moved.Abs() > slack {
		c.set(middle, told.Sub(middle.Round(0)))
	}
	return nil
}

// elapsed is how much time passed between two readings of this process's own
// clock: the larger of monotonic and wall time, because the monotonic clock
// stands still while a machine sleeps and the wall clock can be set back.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
