// Package ginverify is the Gin twin of the middleware in verify: the same
// checks, the same answers.
//
// It owns nothing but the way into a gin.Context: Bearer asks the Verifier it
// is given and hands a verify.Principal to the handlers behind it, which read
// it with Principal.
package ginverify
