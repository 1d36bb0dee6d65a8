// Package moving reads and writes the files with which people move in and out:
// CSV, JSON lines, and the exports of other systems. It knows shapes only. What
// a name or an address is, who is already there and what is stored is decided
// by accounts.
//
// A [Source] yields one [Record] after the other, with the number of its row
// and what of it cannot be carried. A row that cannot be read is a [RowError]
// and does not stop the reading; anything else does.
package moving
