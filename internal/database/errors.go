package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"gatehouse/internal/apperr"

	"github.com/go-sql-driver/mysql"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// retryAfter is what a client is told to wait while the storage is at fault.
const retryAfter = 5 * time.Second

// fault is what an error of the driver means for us.
type fault uint8

const (
	faultNone     fault = iota // not the storage's fault: the statement or its data
	faultEnded                 // the caller's context ended
	faultDeadlock              // run the transaction again
	faultBusy                  // somebody else holds the database; the connection is fine
	faultBroken                // the storage failed; the connection is not to be trusted
)

// IsDuplicate reports whether err says that a unique key is taken.
func IsDuplicate(err error) bool {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return true
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return isSQLiteDuplicate(e.Code())
	}
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (e.Number == 1062 || e.Number == 1586)
}

func isSQLiteDuplicate(code int) bool {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return false
}

// Unavailable wraps an error of a read as an apperr.Error of kind Unavailable
// when the storage is at fault or the deadline has passed. Any other error,
// such as gorm.ErrRecordNotFound, stays as it is, and nil stays nil.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*apperr.Error](err); ok {
		return err
	}
	if faultOf(err) == faultNone {
		return err
	}
	return apperr.NotNow(retryAfter, err)
}

// translate makes an error of a bare statement look like one of GORM.
func translate(err error) error {
	if IsDuplicate(err) {
		return gorm.ErrDuplicatedKey
	}
	return Unavailable(err)
}

// faultOf tells what err means.
func faultOf(err error) fault {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteFault(e)
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return mysqlFault(e.Number)
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, sql.ErrTxDone):
		return faultEnded
	case isNetwork(err):
		return faultBroken
	}
	return faultNone
}

// isNetwork reports whether the connection itself failed.
func isNetwork(err error) bool {
	for _, e := range []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrBusyBuffer,
		sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ENOSPC, syscall.EROFS, errClosed, errSilent,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// sqliteFault sorts SQLite's result codes (https://www.sqlite.org/rescode.html).
func sqliteFault(e *sqlite.Error) fault {
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return faultBusy
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL,
		sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOLFS:
		return faultBroken
	case sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_ABORT:
		return faultEnded
	}
	if strings.Contains(e.Error(), "no such table") {
		return faultBusy // not migrated yet, or half-way
	}
	return faultNone
}

const lockWait = 1205

var (
	// deadlocks are the errors after which a transaction may simply run again:
	// deadlock, lock wait timeout, record changed since last read (MariaDB 11.8).
	deadlocks = []uint16{1213, lockWait, 1020}
	// busyServer are errors of a server that cannot serve just now.
	busyServer = []uint16{
		1040, 1203, 1226, // too many connections
		1146, 1049, // no such table or database: not migrated yet, or half-way
		1317, 1969, 3024, // interrupted, statement took too long
		1461, // too many prepared statements
	}
	// brokenServer are errors after which another connection may do better,
	// because it may reach another server.
	brokenServer = []uint16{
		1290, 1836, 1792, // read-only
		1047, 1180, // no quorum, commit refused
		1021, 1114, 1030, 1026, 1037, 1038, 1041, // disk full, table full, storage engine, memory
		1044, 1045, 1142, 1698, // access denied
		1053, 1077, 1129, 1130, 1158, 1159, 1160, 1161, 1184, 1927, 4031, // shutting down, network, killed
	}
)

// hasWaited reports whether a transaction failed because it waited for a lock for
// as long as the server lets it.
func hasWaited(err error) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && e.Number == lockWait
}

// mysqlFault sorts the error numbers of MySQL and MariaDB.
func mysqlFault(number uint16) fault {
	switch {
	case slices.Contains(deadlocks, number):
		return faultDeadlock
	case slices.Contains(busyServer, number):
		return faultBusy
	case slices.Contains(brokenServer, number):
		return faultBroken
	}
	return faultNone
}
