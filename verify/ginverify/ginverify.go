package ginverify

import (
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/verify"
)

// key is where the Principal stands in a gin.Context.
const key = "gatehouse/verify.Principal"

// Bearer lets a request through with its Principal in the context, and answers
// and aborts every other one.
func Bearer(v *verify.Verifier) gin.HandlerFunc {
	return func(c *gin.Context) {
		p, err := v.Admit(c.Writer, c.Request)
		if err != nil {
			refuse(c, err)
			return
		}
		c.Set(key, p)
		c.Next()
	}
}

// Principal returns who asks, nil behind no Bearer.
func Principal(c *gin.Context) *verify.Principal {
	p, _ := c.Value(key).(*verify.Principal)
	return p
}

// RequireScope lets through who has every one of the scopes. It stands behind
// Bearer.
func RequireScope(scopes ...string) gin.HandlerFunc {
	return guard(func(p *verify.Principal) error { return verify.CheckScope(p, scopes...) })
}

// RequireRole lets through who has at least one of the roles, as the token
// says. It stands behind Bearer.
func RequireRole(roles ...string) gin.HandlerFunc {
	return guard(func(p *verify.Principal) error { return verify.CheckRole(p, roles...) })
}

// RequireAAL lets through whose session has shown enough: 2 asks for two
// factors. It stands behind Bearer.
func RequireAAL(level int) gin.HandlerFunc {
	return guard(func(p *verify.Principal) error { return verify.CheckAAL(p, level) })
}

// RequireRecent lets through who proved themselves within maxAge. It stands
// behind Bearer.
func RequireRecent(v *verify.Verifier, maxAge time.Duration) gin.HandlerFunc {
	return guard(func(p *verify.Principal) error { return v.CheckRecent(p, maxAge) })
}

// RequireProof is RequireAAL and RequireRecent in one.
func RequireProof(v *verify.Verifier, level int, maxAge time.Duration) gin.HandlerFunc {
	return guard(func(p *verify.Principal) error { return v.CheckProof(p, level, maxAge) })
}

func guard(check func(*verify.Principal) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := error(verify.ErrNoToken)
		if p := Principal(c); p != nil {
			err = check(p)
		}
		if err != nil {
			refuse(c, err)
			return
		}
		c.Next()
	}
}

func refuse(c *gin.Context, err error) {
	verify.WriteError(c.Writer, err)
	c.Abort()
}
