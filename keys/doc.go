// Package keys is the ring of keys that a Gatehouse makes for itself: the
// pairs that sign access tokens, and the secrets for MACs.
//
// It owns the tables signing_keys and key_slots. Private halves are sealed
// with a key derived from SECRET_KEY and bound to their row, and a public half
// is only believed when its private half opens: whoever can write to the
// database, but does not know SECRET_KEY, cannot add a key that anybody trusts.
//
// It hands the private keys to the room tokens and to nobody else, the public
// ones to the verifier of our own bearer middleware, and the published set
// (RFC 7517), held ready as bytes, to the handler of /.well-known/jwks.json.
//
// States of a key: "next" is published and does not sign yet, "current" signs,
// "retiring" is published until all that it signed has expired and is then
// deleted, "revoked" is nowhere any more. Two slots per purpose name the current
// and the next one; every change is one transaction conditioned on them, so
// that of several processes exactly one makes it.
package keys
