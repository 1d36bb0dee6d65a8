// Package audit is the record of who did what: append-only, and linked into a
// chain of hashes so that a later change shows.
//
// It owns the tables audit_events and audit_batches and the one list of action
// names (actions.go). Rooms hand it an [Event] inside the transaction of its
// cause, so that there is no deed without a record and no record without a
// deed. The row is written unlinked: a chain that every writer had to extend
// would make all nodes wait for each other. A job seals what is new into
// batches within a second; a unique number decides between nodes.
//
// Personal fields (address, device, what was typed) stand apart. The chain
// covers only a salted commitment to them, so that [Log.Erase] can blank them
// and the chain stays whole (OWASP ASVS 5.0, 16.4.2 and 14.2.7).
//
// [Log.Verify] finds changed, deleted, inserted and moved rows and batches and
// says where. It cannot see that the end of the chain was cut off together
// with its rows: compare Report.Head with one that was noted elsewhere.
package audit
