// Package signin owns the way from a name and a secret to a session.
//
// [Flow] owns what every sign-in shares: the limits, the counters of wrong
// tries, the equal answer and the equal work for accounts that are not there,
// the record, the order of steps and the change of session. A method
// (password.go is the first) only answers who has it and whether a secret is
// right. It cannot skip a shared step, because it never sees one.
//
// It owns the table throttle_counters (throttle.go, throttle_counter.go), hands sessions and tokens
// to handlers, and hands a [tokens.Proof] to whoever must be sure that the
// person of a session is still there: accounts demands it.
//
// It owns the tables of second factors, totp_factors, totp_enrolments, passkeys
// and recovery_codes (factors.go, enrol.go), and hands accounts the functions
// that carry them in and out of files and erase them. It owns signin_attempts
// (attempt.go), half sign-ins, which nothing but [Flow.Continue] takes, and
// trusted_devices (trust.go), browsers that are not asked for a second factor. It
// owns passkey_ceremonies, the challenges that are open, and passkey_offers
// (passkey*.go): a signature is found by nobody's trying, so that a passkey takes
// no slot of a counter. What is
// wanted after a first factor, and how strong what was shown is, stands in
// policy.go.
//
// The order of a sign-in, and why:
//
//  1. limit of the network, in memory: refused before the database is touched;
//  2. the account, one read;
//  3. a slot of the account's counter, one conditional write that has committed
//     before any secret is compared, so that tries at once cannot share one;
//  4. the comparison, outside every transaction, behind the queue of passwords;
//  5. one transaction: user row (if there is no second factor), session, refresh family, record, counter;
//  6. the signature of the access token, after the commit.
package signin
