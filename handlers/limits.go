package handlers

import (
	"slices"

	"github.com/gin-gonic/gin"
)

// inRooms are the calls of strangers whose limit a room takes, because it knows
// better what counts: a form with a mistake in it is no sign-up, and a password
// that was never compared is no try. The names are those of the table of limits.
var inRooms = map[string]string{
	"/login": "login", "/api/v1/login": "login",
	"/login/totp": "login", "/api/v1/login/totp": "login",
	"/login/recovery": "login", "/api/v1/login/recovery": "login",
	"/login/enrol": "login", "/api/v1/login/enrol": "login", "/api/v1/login/enrol/confirm": "login",
	"/login/passkey": "login", "/api/v1/login/passkey/finish": "login",
	"/login/reset": "login", "/api/v1/login/emailcode": "login",
	"/login/passkey/begin": "passkey", "/api/v1/login/passkey/begin": "passkey",
	"/register": "signup", "/api/v1/register": "signup",
	"/forgot": "forgot", "/api/v1/password/forgot": "forgot",
	"/login/emailcode": "forgot", "/api/v1/login/emailcode/begin": "forgot",
	"/api/v1/token/refresh": "refresh",
}

// limit is what a route counts besides what its room does; nil is nothing. It
// follows from method and guards, so that a new route that writes has one
// without anybody thinking of it. Reads are not counted: they cost less than
// counting all of them would (docs/operations.md names the exceptions).
func (a *app) limit(r Route) gin.HandlerFunc {
	writes := r.Method != get
	switch {
	case slices.Contains(r.Guards, Service):
		return a.serviceLimit(r)
	case writes && signedIn(r):
		return a.web.LimitWrites
	case writes && inRooms[r.Path] == "":
		return a.web.LimitStrangers
	}
	return nil
}

func (a *app) serviceLimit(r Route) gin.HandlerFunc {
	if r.Group == OAuth {
		return a.web.LimitIntrospect
	}
	return a.web.LimitFeed
}

// signedIn reports whether the first guard of a route finds out whose account
// it is about.
func signedIn(r Route) bool {
	return len(r.Guards) > 0 && (r.Guards[0] == Session || r.Guards[0] == Bearer)
}
