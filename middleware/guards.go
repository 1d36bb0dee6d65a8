package middleware

import (
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
)

// RequireSession lets signed-in visitors through and sends the others to the
// login page, from where they come back.
func (s *Set) RequireSession(c *gin.Context) {
	if Session(c).SignedIn() {
		return
	}
	SeeOther(c, "/login?return_to="+url.QueryEscape(backTo(c)))
	c.Abort()
}

// RequirePermission stands behind RequireSession or Bearer and asks the database
// who has the permission at this moment. What the token says about roles may be
// minutes old and is not looked at (security rule 11).
func (s *Set) RequirePermission(p accounts.Permission) gin.HandlerFunc {
	return func(c *gin.Context) {
		ok, err := s.Permitted(c.Request.Context(), userOf(c), p)
		switch {
		case err != nil:
			Fail(c, err)
		case !ok:
			Fail(c, accounts.ErrForbidden)
		}
	}
}

// RequireDevInbox hides the development inbox from everybody but a browser on
// this machine (rule 25): it would hand out every code. A forwarding header
// means that the visitor sits behind a proxy, wherever the proxy is.
func (s *Set) RequireDevInbox(c *gin.Context) {
	if !s.DevInbox || !peerOf(c.Request).IsLoopback() || forwarded(c.Request.Header) {
		Fail(c, apperr.New(apperr.NotFound, "not_found"))
	}
}

// SeeOther sends a browser on with GET (RFC 9110, section 15.4.4), the answer
// to every form that worked.
func SeeOther(c *gin.Context, to string) {
	c.Redirect(http.StatusSeeOther, to)
}
