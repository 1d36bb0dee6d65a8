// Package work asks strangers for a proof of work while a server is under
// pressure, so that a flood of guesses costs the one who sends it.
//
// It owns the challenge, its check, the ticket that a browser without script
// gets instead, and the table spent_work, by whose unique rows each of them is
// good for once on all nodes. Who is a stranger and which calls are dear is
// decided by accounts and signin, which ask a [Gate] before they spend a hash
// or a mail. Everything is made here: no third party learns who signs in.
package work
