// Package testserver is the whole product in memory: every room over a test
// database, a clock that is moved by hand, password hashing made cheap, and
// two clients, one that behaves like a browser and one that behaves like a
// program. Only tests import it.
package testserver
