package database

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// begin opens the connection if need be and starts a transaction.
func (w *writer) begin() error {
	w.group = w.group[:0]
	if w.conn == nil {
		if err := w.connect(); err != nil {
			return err
		}
	}
	w.state.doomed = nil
	return w.control("BEGIN IMMEDIATE")
}

// connect takes the connection from its pool, which opens the file.
func (w *writer) connect() error {
	c, err := w.pool.Conn(context.Background())
	if err != nil {
		return err
	}
	w.conn = c
	return c.Raw(func(raw any) error {
		w.state = raw.(*conn)
		return nil
	})
}

// control runs one of the statements of the writer itself.
func (w *writer) control(query string) error {
	_, err := w.conn.ExecContext(context.Background(), query)
	if err != nil && w.state.doomed == nil {
		w.state.doomed = err
	}
	return err
}

// disconnectIfBroken drops a connection that met a fault of the storage. The
// next group opens the file again, and works again as soon as the storage does.
//
// The connections of a process share the memory beside the log (the -shm file)
// as the first of them has opened it. One that was opened while the disk was
// read-only stays so until the last of them is closed, and nobody could write
// although the disk can again. So whoever is told that it is read-only has the
// readers closed too; a reader that is busy now is met by the next try.
func (w *writer) disconnectIfBroken() {
	if w.state == nil || !w.state.broken {
		return
	}
	why := w.state.doomed
	w.disconnect()
	if letGo := w.letGo.Load(); letGo != nil && isReadOnly(why) {
		(*letGo)()
	}
}

func isReadOnly(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_READONLY
}

func (w *writer) disconnect() {
	if w.conn != nil {
		_ = w.conn.Close()
	}
	w.conn, w.state = nil, nil
}

// turn is what a caller's function runs on: the connection, while the caller
// still wants the answer. The statements themselves never carry a context that
// can end, because SQLite undoes the whole transaction, and with it the work of
// others, when it interrupts a statement that writes.
type turn struct {
	conn *sql.Conn
	ctx  context.Context
}

var errNoPrepare = errors.New("database: statements are prepared by the connection")

// PrepareContext implements gorm.ConnPool.
func (t *turn) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	return nil, errNoPrepare
}

// ExecContext implements gorm.ConnPool.
func (t *turn) ExecContext(_ context.Context, query string, args ...any) (sql.Result, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	return t.conn.ExecContext(context.Background(), query, args...)
}

// QueryContext implements gorm.ConnPool.
func (t *turn) QueryContext(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	return t.conn.QueryContext(context.Background(), query, args...)
}

// QueryRowContext implements gorm.ConnPool.
func (t *turn) QueryRowContext(_ context.Context, query string, args ...any) *sql.Row {
	return t.conn.QueryRowContext(context.Background(), query, args...)
}
