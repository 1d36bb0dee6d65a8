// Package cli is the command line: it reads arguments, asks for passwords,
// calls a room and prints what happened. Every command works beside a running
// server, which notices within a second.
//
// Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong
// usage. --json prints for machines. Only main imports it.
package cli
