// Package tokens owns every bearer secret that Gatehouse hands out: the access
// JWT, the refresh family, the web session's cookie, the mailed link and its
// six-digit code, and the revocation log that ends them. It is the only code
// that creates, hashes, consumes or revokes one.
//
// What it hands over, and to whom:
//
//   - [Sessions] to signin (which starts them), middleware and websession (one
//     indexed read for each signed-in page) and handlers (list, end).
//   - [Access] to signin and handlers: the JWT of the contract, whose times are
//     fixed before the commit and whose signature is made after it.
//   - [Refresh] to signin and handlers: rotation, honest retry, reuse detection.
//   - [Links] to accounts: one-time links and codes, typed by their kind.
//   - [Personal] to handlers: what a person hands to a program of theirs; and to
//     verify, which asks it what such a token is good for now.
//   - [Services] to middleware and cli: the credentials of programs that follow.
//   - [Feed] to handlers: what was ended, as a signed snapshot, a stream and
//     answers about freshness, for checks in other programs; and receipts, to
//     handlers and cli: who has obeyed an ending.
//   - [Log] to server and middleware: what was ended, on every node within a second.
//
// It knows neither users nor clients. Whether a subject may have a session or
// a token now is asked of [AdmitFunc], which server hands in from accounts, on
// every path that issues. The row it judges comes from the database view
// "admissions", joined to the session's own row in one statement, so that
// roles and epoch of a token are always of the same moment.
//
// Secrets of this room look like "gh_ws_" (web session), "gh_rt_" (refresh),
// "gh_ot_" (mailed link), "gh_at_" (attempt handle), "gh_sk_" (service) and "gh_pat_" (personal),
// followed by base62: one word to a double click, and easy to find for a secret scanner. The
// database holds a hash of each, with its kind in the hash.
package tokens
