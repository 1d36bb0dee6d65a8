// Package passwords turns passwords into argon2id strings, compares them, and
// says which passwords are refused.
//
// It owns the cost of hashing: how many hashes run at once, how many callers
// may wait behind them and for how long. Whoever comes beyond that is refused
// at once with "busy", so that a rush of sign-ins can neither take the memory
// of the machine nor make everybody wait (OWASP ASVS 5.0, 6.3.1 and 15.2.2).
//
// It hands encoded strings and verdicts to accounts, signin and cli. It knows
// no account, stores nothing and never logs a password.
package passwords
