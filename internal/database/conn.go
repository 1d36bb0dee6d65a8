package database

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
)

// maxStatements bounds the prepared statements of one connection. The server's
// limit (max_prepared_stmt_count, 16,382 by default) is shared by all
// connections of all nodes.
const maxStatements = 128

// driverConn is what both drivers' connections can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// connector wraps the connections of a driver in conn.
type connector struct {
	driver.Connector
	// prepareBare says that statements without arguments are prepared too.
	prepareBare bool
	// greet runs on each new connection; nil is nothing.
	greet func(context.Context, driver.ExecerContext) error
	// cluster says that the server is a node of a Galera cluster; nil is no.
	cluster *atomic.Bool
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner := raw.(driverConn)
	if c.greet != nil {
		if err := c.greet(ctx, inner); err != nil {
			_ = inner.Close()
			return nil, err
		}
	}
	checker, _ := raw.(driver.NamedValueChecker)
	return &conn{driverConn: inner, checker: checker, prepareBare: c.prepareBare, cluster: c.cluster, cache: map[string]*statement{}}, nil
}

// conn is a connection that prepares each statement once and keeps it, which
// neither database/sql nor GORM do well: theirs takes a lock that all
// connections share, and prepares again inside every transaction.
//
// It also remembers when a transaction met a deadlock or a fault of the
// storage. Such a transaction must never commit, even if the caller ignored
// the error: a Galera node answers a lost SELECT with error 1213, and then
// COMMIT with success although nothing was written.
type conn struct {
	driverConn
	checker     driver.NamedValueChecker
	prepareBare bool
	cluster     *atomic.Bool
	cache       map[string]*statement
	tick        uint64
	inside      bool  // a transaction is in progress
	doomed      error // why the transaction in progress must not commit
	broken      bool  // the pool must not use this connection again
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if c.checker == nil {
		return driver.ErrSkip
	}
	return c.checker.CheckNamedValue(v)
}

// note looks at the error of a statement and returns it.
func (c *conn) note(err error) error {
	if err == nil {
		return nil
	}
	switch faultOf(err) {
	case faultBroken:
		c.broken = true
		fallthrough
	case faultBusy, faultDeadlock:
		if c.doomed == nil {
			c.doomed = err
		}
	}
	return err
}

// IsValid implements driver.Validator: a connection that met a fault of the
// storage is replaced, so that the service recovers with the storage.
func (c *conn) IsValid() bool { return !c.broken && c.driverConn.IsValid() }

// ResetSession implements driver.SessionResetter.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.broken {
		return driver.ErrBadConn
	}
	c.doomed = nil
	return c.driverConn.ResetSession(ctx)
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.doomed = nil
	t, err := c.driverConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.note(err)
	}
	c.inside = true
	return &transaction{Tx: t, conn: c}, nil
}

// transaction refuses to commit what is doomed.
type transaction struct {
	driver.Tx
	conn *conn
}

// Commit implements driver.Tx.
func (t *transaction) Commit() error {
	t.conn.inside = false
	if doomed := t.conn.doomed; doomed != nil {
		_ = t.conn.note(t.Tx.Rollback())
		return doomed
	}
	return t.conn.note(t.Tx.Commit())
}

// Rollback implements driver.Tx. It returns why the transaction was doomed, so
// that the caller can tell a deadlock from an error of its own.
func (t *transaction) Rollback() error {
	t.conn.inside = false
	err := t.conn.note(t.Tx.Rollback())
	if t.conn.doomed != nil {
		return t.conn.doomed
	}
	return err
}

// lost is why nothing may run any more in the transaction in progress. After a
// deadlock the server has undone it, so that each statement behind the lost one
// would commit by itself, when a caller dropped its error.
func (c *conn) lost() error {
	if c.inside {
		return c.doomed
	}
	return nil
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.lost(); err != nil {
		return nil, err
	}
	s, err := c.prepared(ctx, query, len(args))
	if err != nil {
		return nil, c.note(err)
	}
	if s == nil {
		res, err := c.driverConn.ExecContext(ctx, query, args)
		return res, c.note(err)
	}
	res, err := s.exec.ExecContext(ctx, args)
	return res, c.note(err)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.lost(); err != nil {
		return nil, err
	}
	s, err := c.prepared(ctx, query, len(args))
	if err != nil {
		return nil, c.note(err)
	}
	if s == nil {
		r, err := c.driverConn.QueryContext(ctx, query, args)
		if err != nil {
			return nil, c.note(err)
		}
		return &rows{Rows: r, conn: c}, nil
	}
	r, err := s.query.QueryContext(ctx, args)
	if err != nil {
		return nil, c.note(err)
	}
	s.rows = rows{Rows: r, conn: c, of: s}
	return &s.rows, nil
}

// Close implements driver.Conn.
func (c *conn) Close() error {
	for _, s := range c.cache {
		if s.rows.Rows == nil {
			_ = s.Close()
		}
	}
	c.cache = nil
	return c.driverConn.Close()
}
