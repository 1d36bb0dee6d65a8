package tokens

import (
	"context"
	"errors"
	"sync"
	"time"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
)

const (
	// jump is the least step of the cluster's clock, against the monotonic clock
	// of this process, that anybody has to know of. A smaller one back is covered
	// by untilMargin: what the log has forgotten had expired for longer than that.
	jump = time.Minute
	// settledAfter is how long nothing that the clock calls old is deleted after
	// a jump, and after a start, before which this process knows of none: time for
	// an operator or NTP to put a clock right that ran ahead.
	settledAfter = time.Hour
)

// steps remembers how the cluster's clock was moved. The zero value has seen
// no reading.
type steps struct {
	mu     sync.Mutex
	latest time.Time // of the cluster: the latest that the rooms saw since the last reaction
	moved  time.Time // local: of the last jump, and at first of the start
}

// behind is how far next is behind the latest time that the rooms saw, by
// believed and the readings before it. Many small steps back count together,
// because together they revive as much. A clock that is only slower than our
// own revives nothing, however far that adds up: its time never went back.
func (s *steps) behind(believed, next *reading) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen := believed.now(next.base); seen.After(s.latest) {
		s.latest = seen
	}
	return s.latest.Sub(next.at)
}

// jumped notes a jump; back is one that has been reacted to.
func (s *steps) jumped(r *reading, back bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = r.base
	if back {
		s.latest = r.at
	}
}

// Settled reports whether the clock has gone on evenly for an hour of this
// process. Whatever deletes by the clock what nobody can bring back waits for
// it: a clock that is a day ahead for some minutes (a machine that starts before
// it has asked for the time) must not cost an account, a session or the row of a
// node that lives.
func (c *ClusterClock) Settled() bool {
	c.steps.mu.Lock()
	defer c.steps.mu.Unlock()
	return c.local().Sub(c.steps.moved) >= settledAfter
}

// learn asks for the database's time. A jump is said once. One back is reacted
// to before the rooms see the earlier time; when that fails, the time stays what
// it was and the next turn tries again.
func (l *Log) learn(ctx context.Context) error {
	if l.cluster == nil {
		return nil
	}
	next, err := l.cluster.ask(ctx, l.db)
	if err != nil {
		return err
	}
	steps := &l.cluster.steps
	believed := l.cluster.reading.Load()
	moved, behind := next.at.Sub(believed.now(next.base)), steps.behind(believed, next)
	if moved.Abs() >= jump {
		l.log.Warn("the clock jumped: check the time of the machine or of the database (a machine that slept looks the same)",
			"by", moved.Round(time.Second), "now", next.at)
	}
	if back := behind >= jump; back || moved >= jump {
		if back && l.wentBack != nil {
			if err := l.wentBack(ctx, behind); err != nil {
				return err
			}
		}
		steps.jumped(next, back)
	}
	l.cluster.reading.Store(next)
	if l.noteKeys != nil {
		l.noteKeys()
	}
	return nil
}

// Tend does once, in a row, all that Run does in its time.
func (l *Log) Tend(ctx context.Context) error {
	for _, do := range []func(context.Context) error{l.learn, l.beat, l.poll, func(ctx context.Context) error {
		_, err := l.seal(ctx)
		return err
	}, l.poll, l.Trim} {
		if err := l.bounded(ctx, do); err != nil {
			return err
		}
	}
	return nil
}

// noteKeys remembers which keys had signed when the clock was right. It has a
// memory of its own, because by the time that this node reacts another one may
// have: what signs then is good.
func (s *Service) noteKeys() {
	used := s.Access.deps.Keys.Used()
	s.usedKeys.Store(&used)
}

// clockWentBack ends the keys that have signed access tokens until now. A token
// that had expired when the log forgot its ending would be good again by an
// earlier time, and so would one that had only expired; the log cannot name
// them any more, but all of them are under these keys. Sessions and refresh
// tokens stay: clients refresh once, which they have to do anyhow because their
// tokens are from the future. Nodes that react to the same jump end the same
// keys, so that it happens once.
func (s *Service) clockWentBack(ctx context.Context, by time.Duration) error {
	kids := s.usedKeys.Load()
	if kids == nil {
		return nil
	}
	ended := 0
	for _, kid := range *kids {
		err := s.RevokeKeys(ctx, []string{kid})
		switch reason := apperr.Reason(err); {
		case err == nil:
			ended++
		case reason != "key_revoked" && reason != "no_such_key":
			return err
		}
	}
	if ended == 0 {
		return nil // another node was first
	}
	s.Access.deps.Log.Warn("the clock went back: access tokens of before are refused, sessions go on", "by", by.Round(time.Second), "keys", ended)
	return s.Access.deps.Audit.Record(ctx, audit.Event{
		Action: audit.ClockWentBack, Outcome: audit.Success, Detail: map[string]string{"by": by.Round(time.Second).String()},
	})
}

// CheckClock notices at a start that the clock went back while no server ran:
// the audit log has been sealed at a time that is still to come.
func (s *Service) CheckClock(ctx context.Context) error {
	last, err := s.Access.deps.Audit.LastSealed(ctx)
	if err != nil {
		return err
	}
	s.noteKeys()
	if by := last.Sub(s.Access.deps.Clock()); by >= jump {
		err = s.clockWentBack(ctx, by)
		_, sealing := s.Access.deps.Audit.Seal(ctx) // so that it is done once
		err = errors.Join(err, sealing)
	}
	return err
}
