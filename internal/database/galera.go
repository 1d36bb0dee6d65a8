package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/go-sql-driver/mysql"
)

// noSuchVariable is what a server without @@in_transaction answers. Such an error
// ends no transaction.
const noSuchVariable = 1193

// errLost is what a Galera node would have said had it told of the conflict: the
// number is that of a deadlock, after which the transaction runs again.
var errLost = &mysql.MySQLError{Number: 1213, Message: "the transaction was undone while a statement of it was being prepared"}

// stillIn fails when the transaction in progress is gone.
//
// A node of a cluster undoes a transaction that loses against one of another
// node at any moment, and tells so in the answer of the statement that runs or
// comes next. COM_STMT_PREPARE is the exception: its answer is on its way before
// the server looks, so that a conflict which arises while it runs is never told.
// The transaction is gone then, each statement after it commits by itself, and
// COMMIT says yes to nothing. Without this question one code that is shown to
// several nodes at once was good more than once, by the half of a transaction.
func (c *conn) stillIn(ctx context.Context) error {
	r, err := c.driverConn.QueryContext(ctx, "SELECT 1 FROM DUAL WHERE @@in_transaction = 1", nil)
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok && e.Number == noSuchVariable {
		return nil // a cluster of MySQL, which cannot be asked
	}
	if err != nil {
		return err
	}
	defer r.Close()
	row := make([]driver.Value, 1)
	if err := r.Next(row); err == io.EOF {
		return errLost
	} else if err != nil {
		return err
	}
	// A conflict that arises during this statement is told in its last packet.
	if err := r.Next(row); err != io.EOF {
		return err
	}
	return nil
}
