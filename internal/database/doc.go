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
//   - migrate.go runs the plain-SQL migrations, on MySQL under a lease row.
package database
