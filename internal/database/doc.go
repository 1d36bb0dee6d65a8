// Package database opens the one database of the product, SQLite or
// MySQL/MariaDB, brings its schema up to date, and hands out the two calls that
// rooms use: [DB.Read] and [DB.Write].
//
// It owns connections, transactions, retries and the meaning of storage errors:
// a room sees its own error, a GORM error such as gorm.ErrRecordNotFound, or an
// apperr.Error of kind Unavailable when the storage is at fault. It knows no
// rule of the product.
//
// How it is put together:
//
//   - conn.go wraps the connections of both drivers: it prepares each statement
//     once per connection and remembers when a transaction must not commit.
//   - writer.go is SQLite's single writer. It groups the work of many callers
//     into one transaction, a savepoint each, and answers after the commit.
//   - mysql.go and mysql_write.go are the other dialect: settings that are ours,
//     and transactions that are retried after a deadlock.
//   - migrate.go runs the plain-SQL migrations under a lease row.
//
// A function given to Write must be short and must not call Write or Exec
// itself: on SQLite it holds the one writing connection. It may run twice.
//
// Two habits of GORM that cost an afternoon each: in raw SQL, a "?" right after
// an opening parenthesis takes []byte for a list of numbers (write "( ?" or
// name another column first), and a condition made of a struct or a map drops
// its zero values (always write Where("column = ?", value)).
package database
