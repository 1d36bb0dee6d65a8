package database

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The rhythm of the watch. Whoever waits for a server that has fallen silent is
// let go after watchEvery + watchPatience at the latest: soon enough to be
// answered 503 within two seconds.
const (
	watchEvery    = 250 * time.Millisecond
	watchPatience = 1250 * time.Millisecond
)

// errSilent is what statements get while the server does not answer.
var errSilent = errors.New("database: the server does not answer")

// lines are the connections to the server, those that are being made included.
//
// A server that is stopped, or that a network has swallowed, refuses nothing:
// whoever asks it waits for its answer, and so does every request behind the
// few connections of the pool. The time limits of statements are no help,
// because a migration, a lock or a large read may honestly take long. So a
// question that every living server answers at once is asked all the time, and
// when it is not answered, all connections are cut: their statements fail, and
// until the question is answered again new ones are refused without a try.
type lines struct {
	mu     sync.Mutex
	silent bool
	open   map[*line]bool
	making map[*making]bool
}

// line is one connection. It is cut from outside; who reads or writes on it
// then gets an error of the network.
type line struct {
	net.Conn
	of *lines
}

// making is a connection that is being made.
type making struct{ cancel context.CancelFunc }

// Close implements net.Conn.
func (l *line) Close() error {
	l.of.mu.Lock()
	delete(l.of.open, l)
	l.of.mu.Unlock()
	return l.Conn.Close()
}

var errNoSyscalls = errors.New("database: not a connection of the system")

// SyscallConn implements syscall.Conn, by which the driver sees before a
// statement that the server has closed an idle connection.
func (l *line) SyscallConn() (syscall.RawConn, error) {
	c, ok := l.Conn.(syscall.Conn)
	if !ok {
		return nil, errNoSyscalls
	}
	return c.SyscallConn()
}

func newLines() *lines { return &lines{open: map[*line]bool{}, making: map[*making]bool{}} }

// dial implements the driver's DialFunc.
func (s *lines) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &making{cancel}
	if !s.begin(m) {
		return nil, errSilent
	}
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	return s.made(m, c, err)
}

func (s *lines) begin(m *making) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.silent {
		s.making[m] = true
	}
	return !s.silent
}

func (s *lines) made(m *making, c net.Conn, err error) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.making, m)
	switch {
	case s.silent && err == nil:
		_ = c.Close()
		return nil, errSilent
	case s.silent:
		return nil, errSilent
	case err != nil:
		return nil, err
	}
	l := &line{c, s}
	s.open[l] = true
	return l, nil
}

// set says whether the server is silent. It reports whether that is news.
func (s *lines) set(silent bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent == silent {
		return false
	}
	s.silent = silent
	if silent {
		for m := range s.making {
			m.cancel()
		}
		for l := range s.open {
			_ = l.Conn.Close() // its owner takes it out of the list
		}
	}
	return true
}

// Watch asks the server until ctx ends whether it is there, so that nobody
// waits for one that does not answer. An embedded database needs no watch.
func (d *DB) Watch(ctx context.Context) {
	if d.watcher == nil {
		return
	}
	pool, err := d.watcher()
	if err != nil {
		d.log.Error("the database cannot be watched", "error", err)
		return
	}
	defer pool.Close()
	timer := time.NewTimer(watchEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		silent := silentNow(ctx, pool)
		if ctx.Err() != nil {
			return
		}
		if d.lines.set(silent) {
			d.tellSilence(silent)
		}
		timer.Reset(watchEvery)
	}
}

func (d *DB) tellSilence(silent bool) {
	if silent {
		d.log.Error("the database server does not answer: its connections are cut, and what needs it is answered 503", "waited", watchPatience.String())
		return
	}
	d.log.Info("the database server answers again")
}

// silentNow asks once. Only a question that nobody answers counts: a server
// that refuses (too many connections, no such user) speaks for itself.
func silentNow(ctx context.Context, pool *sql.DB) bool {
	asking, cancel := context.WithTimeout(ctx, watchPatience)
	defer cancel()
	err := pool.PingContext(asking)
	return err != nil && asking.Err() != nil
}

// watchPool is one connection of its own, which nobody else can keep busy.
func watchPool(cfg *mysql.Config) (*sql.DB, error) {
	cfg = cfg.Clone()
	cfg.DialFunc = nil
	pool, err := mysqlPool(cfg, nil) // it has no transactions
	if err == nil {
		pool.SetMaxOpenConns(1)
	}
	return pool, err
}
