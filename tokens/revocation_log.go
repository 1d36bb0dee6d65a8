package tokens

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/verify"
)

// The rhythm of the log. A node reads an ending at most one poll after it was
// committed: well within the second that the product promises.
const (
	pollEvery  = 250 * time.Millisecond
	beatEvery  = time.Second
	sealEvery  = 50 * time.Millisecond
	learnEvery = 10 * time.Second
	tidyEvery  = time.Minute
	// staleAfter is the age from which a view is no longer called fresh.
	staleAfter = 5 * time.Second
	// callTimeout bounds every round of the log, so that a connection that
	// hangs costs a round and not the log.
	callTimeout = 3 * time.Second
)

var (
	errNotStarted = errors.New("tokens: the revocation log has not been read yet")
	errStaleView  = errors.New("tokens: the revocation log could not be read for a while")
	errBehind     = errors.New("tokens: the database answers with an older revocation log than it did before")
	errForked     = errors.New("tokens: the revocation log continues differently from what this node read: the database went back in time")
	errLostBeat   = errors.New("tokens: the database lost a beat of this node: it went back in time")
	errTrimmed    = errors.New("tokens: the revocation log was trimmed while it was read")
	errOtherLog   = errors.New("tokens: the revocation log began anew")
	errTwin       = errors.New("tokens: another process uses the id of this node")
)

// Log is this node's part of the revocation log. Endings are written to an
// outbox in the transaction of their cause; any node seals outbox rows into
// numbered batches; every node polls, and answers Revoked from memory.
type Log struct {
	db       *database.DB
	clock    func() time.Time                                  // the cluster's: stored and compared times
	local    func() time.Time                                  // the process's own: ages
	cluster  *ClusterClock                                     // nil when the rooms' clock needs no learning
	wentBack func(ctx context.Context, by time.Duration) error // reacts to a clock that goes back; nil does not
	noteKeys func()                                            // see Service.noteKeys
	log      *slog.Logger
	ttl      time.Duration // of access tokens, as configured here
	longest  time.Duration // that access tokens ever lived, when this process started
	set      atomic.Pointer[verify.Ended]
	wakeSeal chan struct{}
	wakePoll chan struct{}
	asOf     atomic.Pointer[time.Time] // of the view, for every check; nil refuses
	refusing atomic.Bool               // a check has been refused, and said so, for an old view
	running  atomic.Bool               // Run is at work
	name     string                    // of this process, for receipts
	known    *known

	// following is held by the one goroutine that reads the log.
	following sync.Mutex
	node      node
	logID     models.ID
	cursor    int64  // the newest batch that was applied; 0 is none, or reading from the start
	head      []byte // its hash
	peak      peak
	floor     int64  // batches below are trimmed
	marks     []mark // what was the newest batch when, for trimming
	// renewer begins the log anew when the database went back in time; nil
	// leaves this node not ready instead.
	renewer *renewer
	// water remembers beside an embedded database how far its log was; nil
	// remembers nothing.
	water *waterFile

	// mu guards the set against two writers, and what follows.
	mu      sync.Mutex
	filling *verify.Ended          // of a log that began anew, in force when it was read whole
	own     map[models.ID]bool     // committed here, not known to be sealed
	seen    map[models.ID]sighting // rows of the outbox, by the newest poll
	wants   map[models.ID]*Want    // who waits for the batch of which outbox row
	self    models.ID              // the row of this process among the nodes
	status  status
	// published is what followers are shown.
	published published
}

// peak is the newest batch that this process ever applied. The log must never
// be shorter than that again, nor have another batch of that number.
type peak struct {
	seq  int64
	hash []byte
}

// status is what Ready judges.
type status struct {
	started bool
	asOf    time.Time // local: everything committed before is applied
	sealed  time.Time // local: everything committed before is in a batch that is applied
	fault   error     // final, until the process starts again
	behind  error     // until the next good poll
}

func newLog(d Deps) *Log {
	l := &Log{
		db:       d.DB,
		clock:    d.Clock,
		local:    d.Clock,
		log:      d.Log,
		ttl:      d.Config.AccessTTL,
		wakeSeal: make(chan struct{}, 1),
		wakePoll: make(chan struct{}, 1),
		name:     d.Node,
		known:    newKnown(),
		wants:    map[models.ID]*Want{},
		own:      map[models.ID]bool{},
		seen:     map[models.ID]sighting{},
	}
	l.set.Store(verify.NewEnded(0))
	return l
}

// UseClock tells the log of the clock behind Deps.Clock. The log then learns
// the database's time at its start and every 10 s, and measures ages by the
// process's own clock. Call it before Start.
func (l *Log) UseClock(c *ClusterClock) { l.cluster, l.local = c, c.local }

// Start makes this process a node: it registers, and then reads everything,
// in this order, so that an ending is either in what it reads or made by
// somebody who can already see this node.
func (l *Log) Start(ctx context.Context) error {
	l.following.Lock()
	defer l.following.Unlock()
	if err := l.learn(ctx); err != nil {
		return err
	}
	if err := l.openDeployment(ctx); err != nil {
		return err
	}
	if err := l.checkWater(ctx); err != nil {
		return err
	}
	if err := l.register(ctx); err != nil {
		return err
	}
	return l.reload(ctx)
}

// Run follows the log until ctx ends.
func (l *Log) Run(ctx context.Context) {
	var both sync.WaitGroup
	l.running.Store(true)
	both.Go(func() { l.runPolls(ctx) })
	both.Go(func() { l.runSeals(ctx) })
	both.Go(func() { l.runAcks(ctx) })
	both.Wait()
	l.leave(context.WithoutCancel(ctx))
}

// Ready reports whether the view of this node is fresh: an error means that
// endings of the last seconds may be missing here.
func (l *Log) Ready() error {
	l.mu.Lock()
	s := l.status
	l.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	switch {
	case s.behind != nil:
		return apperr.NotNow(time.Second, s.behind)
	case elapsed(s.asOf, l.local()) > staleAfter:
		return apperr.NotNow(time.Second, errStaleView)
	}
	return nil
}

// usable reports whether there is a view that can be believed, however old.
func (s status) usable() error {
	switch {
	case s.fault != nil:
		return apperr.NotNow(staleAfter, s.fault)
	case !s.started:
		return apperr.NotNow(time.Second, errNotStarted)
	}
	return nil
}

// Revoked implements verify.Revocations: a look-up in memory, without a lock.
func (l *Log) Revoked(p *verify.Principal) bool { return l.set.Load().Revoked(p) }

// add applies one entry. While a log that began anew is read, it goes into the
// set of that one too, so that no ending is in neither. The caller holds mu.
func (l *Log) add(e Entry, seq int64) {
	e.applyTo(l.set.Load(), seq)
	if l.filling != nil {
		e.applyTo(l.filling, seq)
	}
}

// committed applies on this node what it has just committed, and has it sealed.
func (l *Log) committed(rows []models.RevocationOutbox, want *Want) {
	l.mu.Lock()
	if want != nil {
		want.committed(rows, l.published.at.logID, l.local())
	}
	for _, row := range rows {
		l.own[row.ID] = true
		if want != nil {
			l.wants[row.ID] = want
		}
		l.add(entryOf(row), verify.Unsealed)
	}
	l.mu.Unlock()
	l.askForSeal()
}

func (l *Log) askForSeal() {
	select {
	case l.wakeSeal <- struct{}{}:
	default: // one is waiting already
	}
}

// insert writes all entries by one INSERT. The end of an entry is computed in
// SQL from the longest lifetime that tokens of this deployment ever had, so
// that a shortened setting does not shorten the memory of tokens already out,
// and a longer one of another node counts from the moment it is in use.
func (l *Log) insert(tx *gorm.DB, entries []Entry) ([]models.RevocationOutbox, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	rows := make([]models.RevocationOutbox, len(entries))
	query := []byte("INSERT INTO revocation_outbox (id, kind, target, epoch, until_at, want_ack) VALUES ")
	args := make([]any, 0, 6*len(entries))
	soonest := models.At(l.clock().Add(untilMargin))
	for i, e := range entries {
		rows[i] = models.RevocationOutbox{
			ID: models.NewID(), Kind: e.Kind, Target: e.Target, Epoch: e.Epoch, Until: models.At(e.Until), WantAck: e.WantAck,
		}
		if i > 0 {
			query = append(query, ',')
		}
		until, value := "?", any(rows[i].Until)
		if e.Kind == EntryKey {
			value = models.Time{}
		} else if e.Until.IsZero() {
			until, value = "? + (SELECT access_ttl_max FROM deployment WHERE id = 1)", soonest
		}
		query = append(append(append(query, "(?,?,?,?,"...), until...), ",?)"...)
		args = append(args, rows[i].ID, e.Kind, e.Target, e.Epoch, value, e.WantAck)
	}
	return rows, tx.Exec(string(query), args...).Error
}
