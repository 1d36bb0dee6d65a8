// Package websession puts gin-contrib/sessions on top of tokens.Sessions, so
// that handlers use the usual calls (Get, Set, AddFlash, Flashes, Save) and the
// session itself lives on the server.
//
// tokens owns the secret in the cookie, its hash, the row and every end of it.
// This package owns the cookie's name and attributes, what a session may hold
// besides its row (texts and flash messages, see codec.go), and when a row is
// made: a visitor without one gets it when something is saved, never before.
//
// It hands a [Store] to middleware, which puts it on the page routes, and
// [Current], [Adopt], [Restart] and [Flash] to handlers.
package websession
