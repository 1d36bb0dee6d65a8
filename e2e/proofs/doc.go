// Package proofs shows on running processes what docs/revocation-and-refresh.md
// promises: built binaries, real databases, services that follow the feed over
// sockets, and a proxy between them that lies, delays and drops. docs/proofs
// tells what each proof shows and how it is run.
package proofs
