package database

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

const (
	// maxGroup callers share one commit at most, so that none waits for long.
	maxGroup = 256
	// tooLong is when a group that does not end is worth a line in the log: a
	// function in it is slow, or waits for a Write of its own, which can't come.
	tooLong = 5 * time.Second
)

var (
	errClosed   = errors.New("database: closed")
	errPanicked = errors.New("database: a write function panicked")
	errExited   = errors.New("database: a write function ended its goroutine")
)

// call is the wish of one caller.
type call struct {
	ctx   context.Context
	run   func(gorm.ConnPool) error
	state atomic.Int32 // waiting, then either started or gone
	done  chan struct{}

	err      error
	panicked any
	exited   bool
}

const (
	callWaiting int32 = iota
	callStarted
	callGone
)

// writer is SQLite's only writing connection. One goroutine takes in callers,
// runs their functions one after the other in one transaction and answers them
// after its commit, so that one flush of the disk serves them all.
type writer struct {
	pool  *sql.DB
	log   *slog.Logger
	queue chan *call
	stop  chan struct{}
	ended chan struct{}
	// letGo closes the reading connections that nobody uses at the moment.
	letGo atomic.Pointer[func()]

	// What follows belongs to the goroutine.
	conn  *sql.Conn
	state *conn
	group []*call
	watch *time.Timer
}

func newWriter(pool *sql.DB, log *slog.Logger) *writer {
	w := &writer{
		pool: pool, log: log, queue: make(chan *call, maxGroup),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	w.watch = time.AfterFunc(tooLong, func() {
		log.Error("a write function holds the database: it must be short, and must not call Write or Exec itself")
	})
	w.watch.Stop()
	go w.loop()
	return w
}

// close lets the current group end, refuses everybody else and closes the file.
func (w *writer) close() error {
	close(w.stop)
	<-w.ended
	return w.pool.Close()
}

// do has run executed in a group and returns after the commit. A caller whose
// context ends while it waits for its turn is never run. Once it was started,
// the outcome is told as it is: the commit belongs to the whole group and
// carries nobody's context.
func (w *writer) do(ctx context.Context, run func(gorm.ConnPool) error) error {
	if err := ctx.Err(); err != nil {
		return Unavailable(err)
	}
	c := &call{ctx: ctx, run: run, done: make(chan struct{}, 1)}
	select {
	case w.queue <- c:
	case <-ctx.Done():
		return Unavailable(ctx.Err())
	case <-w.stop:
		return Unavailable(errClosed)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.leave() {
			return Unavailable(ctx.Err())
		}
	case <-w.ended: // it queued while the writer was closed
		if c.leave() {
			return Unavailable(errClosed)
		}
	}
	return c.outcome()
}

// leave takes a caller out of the queue. If it was started, leave waits for the
// outcome and reports false.
func (c *call) leave() bool {
	if c.state.CompareAndSwap(callWaiting, callGone) {
		return true
	}
	<-c.done
	return false
}

// outcome is what the caller gets: its own panic, its own error, or nil.
func (c *call) outcome() error {
	if c.panicked != nil {
		panic(c.panicked)
	}
	if c.exited {
		runtime.Goexit()
	}
	return Unavailable(c.err)
}

// loop serves groups until the writer is closed. It starts itself again when a
// caller's function ended the goroutine (as testing's FailNow does).
func (w *writer) loop() {
	closed := false
	defer func() {
		if !closed {
			w.abort(errExited)
			go w.loop()
		}
	}()
	for {
		select {
		case c := <-w.queue:
			w.serve(c)
		case <-w.stop:
			w.refuse(errClosed)
			w.disconnect()
			closed = true
			close(w.ended)
			return
		}
	}
}

// refuse answers everybody who waits.
func (w *writer) refuse(err error) {
	for {
		select {
		case c := <-w.queue:
			c.err = err
			c.done <- struct{}{}
		default:
			return
		}
	}
}

// serve runs one group that begins with c.
func (w *writer) serve(c *call) {
	if err := w.begin(); err != nil {
		w.disconnectIfBroken()
		// c is told last: whoever comes when it has been told meets a new try to
		// open the file, and not this fault.
		w.refuse(err)
		c.err = err
		c.done <- struct{}{}
		return
	}
	w.watch.Reset(tooLong)
	defer w.watch.Stop()
	for ; c != nil && w.state.doomed == nil; c = w.next() {
		if !c.state.CompareAndSwap(callWaiting, callStarted) {
			continue
		}
		w.group = append(w.group, c)
		if !w.one(c) {
			break
		}
	}
	w.commit()
}

// next takes in another caller, if one waits and the group has room. It never
// waits for more: while a group commits, the next one gathers by itself, and a
// lone caller is not held up.
func (w *writer) next() *call {
	if len(w.group) >= maxGroup {
		return nil
	}
	select {
	case c := <-w.queue:
		return c
	default:
		return nil
	}
}

// one runs the function of one caller. The first of a group needs no savepoint:
// when it fails, the whole transaction is undone. It reports whether the group
// may go on.
func (w *writer) one(c *call) bool {
	first := len(w.group) == 1
	if !first {
		if c.err = w.control("SAVEPOINT caller"); c.err != nil {
			return false
		}
	}
	c.err = w.guarded(c)
	switch {
	case w.state.doomed != nil:
		return false
	case first && c.err != nil:
		return false
	case first:
		return true
	case c.err != nil:
		return w.control("ROLLBACK TO caller") == nil && w.control("RELEASE caller") == nil
	}
	return w.control("RELEASE caller") == nil
}

// guarded runs the function of c. A panic is kept for the caller, and must not
// end the writer.
func (w *writer) guarded(c *call) (err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		if c.panicked = recover(); c.panicked != nil {
			w.log.Error("a write function panicked", "panic", c.panicked, "stack", string(debug.Stack()))
			err = errPanicked
			return
		}
		c.exited = true
	}()
	err = c.run(&turn{conn: w.conn, ctx: c.ctx})
	finished = true
	return err
}

// commit makes the work of the group durable and answers.
func (w *writer) commit() {
	if err := w.finish(); err != nil {
		w.abort(err)
		return
	}
	w.disconnectIfBroken()
	w.answer()
}

// finish commits, unless nothing is to be kept.
func (w *writer) finish() error {
	if doomed := w.state.doomed; doomed != nil {
		return doomed
	}
	if len(w.group) == 0 || len(w.group) == 1 && w.group[0].err != nil {
		return w.control("ROLLBACK")
	}
	return w.control("COMMIT")
}

// abort undoes the transaction and tells everybody in the group why.
func (w *writer) abort(err error) {
	_ = w.control("ROLLBACK") // fails when SQLite has already rolled back
	w.disconnectIfBroken()
	for _, c := range w.group {
		if c.err == nil || faultOf(err) != faultNone {
			c.err = err
		}
	}
	w.answer()
}

// answer wakes everybody in the group.
func (w *writer) answer() {
	for i, c := range w.group {
		c.done <- struct{}{}
		w.group[i] = nil
	}
	w.group = w.group[:0]
}
