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
// The gap: until a row is sealed, within a second of its commit, nothing shows that
// it was changed or deleted. A row that nobody can seal, because no server runs,
// waits for the next start.
//
// [Log.Verify] finds changed, deleted, inserted and moved rows and batches and
// says where. By itself it cannot see what somebody did who can write to the
// database and linked the chain anew, or cut its end off together with its rows.
// Therefore [Checkpoints] says every hour, signed, how far the chain goes and what
// its last hash is, to a file or an address outside of the database;
// [Log.VerifyAgainst] compares. The key is made from SECRET_KEY by server/wire.go,
// which hands in the function that signs, and is in no table. What happened since
// the last checkpoint is as safe as the chain alone makes it.
package audit
