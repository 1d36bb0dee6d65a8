// Package verify checks the access tokens of a Gatehouse: for Gatehouse's own
// bearer middleware, and for every other Go service that receives them. It
// depends on the standard library and golang-jwt alone.
//
// It owns one strict rule set for JWTs of the kind "at+jwt" (RFC 9068, read
// with the best practices of RFC 8725), a bounded memory of tokens it has
// verified, the copy of the issuer's key set (RFC 7517), and the answers of a
// resource server (RFC 6750). It hands a [Principal] to whoever guards a
// route: who asks, in which session, with which scope and roles.
//
// A service that knows nothing but the issuer writes
//
//	v, err := verify.New(verify.Options{Issuer: "https://login.example.com"})
//	defer v.Close()
//	mux.Handle("/orders", v.Handler(orders))
//
// and reads [FromContext] in its handlers. The Gin twin of the middleware is
// in verify/ginverify.
package verify
