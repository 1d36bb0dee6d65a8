// Package ratelimit counts how often something happens and says when it has
// been too often, in the memory of this process.
//
// It owns the arithmetic and the bound on memory; what is counted, under which
// key and with which rule is the caller's decision (accounts, signin,
// middleware). Counters that must hold across nodes and restarts, such as
// wrong passwords of one account, live in the database and not here.
package ratelimit
