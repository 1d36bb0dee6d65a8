package tokens

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/models"
)

// The kinds of endings. Tokens are refused by ids and epochs, never by the
// time they were issued at: "iat" has whole seconds and comes from clocks that
// differ, so no not-before value is right.
const (
	EntrySession = "sid"    // every token of that session; final, a sid never returns
	EntryToken   = "jti"    // one access token (RFC 7009)
	EntrySubject = "sub"    // tokens of that user whose "gen" is below Epoch, or missing
	EntryClient  = "client" // tokens of that client whose "cgen" is below Epoch, or missing
	EntryKey     = "kid"    // everything under that key, for ever: who stole it writes any "exp"
)

// Entry is one ending: which tokens every node refuses from now on.
type Entry struct {
	Kind string
	// Target is the 16 bytes of an id for sessions, tokens and subjects, and
	// the name itself for clients and keys.
	Target []byte
	// Epoch is the first epoch that is still good (subjects and clients only).
	Epoch int64
	// Until is when the last token it refuses has expired by itself. Zero lets
	// the log compute it from the longest lifetime that tokens were ever given;
	// it is given only for single tokens, whose "exp" is known.
	Until time.Time
	// WantAck asks for a receipt when every follower has applied the ending.
	WantAck bool
}

// untilMargin is kept beyond the expiry of the last token an entry refuses,
// for clocks that differ and for tokens that were being signed meanwhile.
const untilMargin = 2 * time.Minute

var errEntry = errors.New("tokens: malformed revocation entry")

// maxName is the size of the column for targets that are names.
const maxName = 64

// byEpoch reports whether the entry refuses older epochs rather than one thing.
func (e Entry) byEpoch() bool { return e.Kind == EntrySubject || e.Kind == EntryClient }

// check refuses entries that no reader could apply.
func (e Entry) check() error {
	switch e.Kind {
	case EntrySession, EntryToken, EntrySubject:
		if id, err := models.IDFromBytes(e.Target); err != nil || id.IsZero() {
			return errEntry
		}
	case EntryClient, EntryKey:
		if len(e.Target) == 0 || len(e.Target) > maxName {
			return errEntry
		}
	default:
		return errEntry
	}
	if e.byEpoch() != (e.Epoch > 0) {
		return errEntry
	}
	return nil
}

// Write runs fn in one transaction as database.Write does, and is the way to
// end anything. What fn appends is written by one INSERT at the end of the
// transaction and, once it is committed, applied on this node before Write
// returns: the very next request here is refused, the other nodes follow with
// their next poll, and nobody can forget to tell either. A retried fn starts
// with an empty list, and a failed one applies nothing.
func (l *Log) Write(ctx context.Context, fn func(tx *gorm.DB) error) error {
	list, want := endings{}, wantOf(ctx)
	err := l.db.Write(ctx, func(tx *gorm.DB) error {
		list.entries = list.entries[:0]
		if err := fn(tx.Set(endingsKey, &list).Session(&gorm.Session{})); err != nil {
			return err
		}
		if want != nil {
			for i := range list.entries {
				list.entries[i].WantAck = true
			}
		}
		var err error
		list.rows, err = l.insert(tx, list.entries)
		return err
	})
	if err == nil && len(list.rows) > 0 {
		l.committed(list.rows, want)
	}
	return err
}

// endings collects what one transaction ends.
type endings struct {
	entries []Entry
	rows    []models.RevocationOutbox
}

const endingsKey = "gatehouse:tokens:endings"

// Append ends things in the transaction tx. Inside Log.Write the entries are
// written together at its end and applied here at once. In a transaction that
// was opened by anybody else they are written at once by one INSERT, and this
// node learns of them with its next poll like every other.
func (l *Log) Append(tx *gorm.DB, entries ...Entry) error {
	for _, e := range entries {
		if err := e.check(); err != nil {
			return err
		}
	}
	if v, ok := tx.Get(endingsKey); ok {
		list := v.(*endings)
		list.entries = append(list.entries, entries...)
		return nil
	}
	_, err := l.insert(tx, entries)
	return err
}
