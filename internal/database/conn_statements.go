package database

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"
	"strings"
)

// statement is a prepared statement with the place for its rows.
type statement struct {
	driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	used  uint64
	rows  rows // rows.Rows is nil while no row set is open
}

// prepared returns the statement for query, or nil when it has to run without:
// it has no arguments to bind, or its rows are still being read.
func (c *conn) prepared(ctx context.Context, query string, args int) (*statement, error) {
	if args == 0 && !(c.prepareBare && repeats(query)) {
		return nil, nil
	}
	c.tick++
	if s := c.cache[query]; s != nil {
		if s.rows.Rows != nil {
			return nil, nil
		}
		s.used = c.tick
		return s, nil
	}
	// The statement outlives the call, so it must not end with its context.
	raw, err := c.driverConn.PrepareContext(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, err
	}
	if c.inside && c.cluster != nil && c.cluster.Load() {
		if err := c.stillIn(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	c.makeRoom()
	s := &statement{Stmt: raw, exec: raw.(driver.StmtExecContext), query: raw.(driver.StmtQueryContext), used: c.tick}
	c.cache[query] = s
	return s, nil
}

// repeats tells the statements that come again and again from those that run
// once, such as CREATE TABLE.
func repeats(query string) bool {
	word, _, _ := strings.Cut(query, " ")
	switch word {
	case "SELECT", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE":
		return true
	}
	return false
}

// makeRoom closes the statement that was not used for the longest time.
func (c *conn) makeRoom() {
	if len(c.cache) < maxStatements {
		return
	}
	var oldest string
	for query, s := range c.cache {
		if s.rows.Rows == nil && (oldest == "" || s.used < c.cache[oldest].used) {
			oldest = query
		}
	}
	if s := c.cache[oldest]; s != nil {
		_ = s.Close()
		delete(c.cache, oldest)
	}
}

// rows tells its connection about errors and its statement about the end.
type rows struct {
	driver.Rows
	conn *conn
	of   *statement
}

// Next implements driver.Rows.
func (r *rows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	if err != nil && err != io.EOF {
		return r.conn.note(err)
	}
	return err
}

// ColumnTypeScanType implements driver.RowsColumnTypeScanType.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if t, ok := r.Rows.(driver.RowsColumnTypeScanType); ok {
		return t.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}

// ColumnTypeDatabaseTypeName implements driver.RowsColumnTypeDatabaseTypeName.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	inner := r.Rows
	if r.of != nil {
		r.of.rows.Rows = nil
	}
	return r.conn.note(inner.Close())
}
