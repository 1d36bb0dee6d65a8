package middleware

import (
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/models"
)

// RecentAge is how fresh a proof must be for changes of sessions, tokens and
// passwords (rule 12; ASVS 5.0, V7.5.1).
const RecentAge = 5 * time.Minute

// RequireSession lets signed-in visitors through and sends the others to the
// login page, from where they come back.
func (s *Set) RequireSession(c *gin.Context) {
	if Session(c).SignedIn() {
		return
	}
	SeeOther(c, "/login?return_to="+url.QueryEscape(backTo(c)))
	c.Abort()
}

// RequireRecent stands behind RequireSession and asks for the password again
// when the last proof is too old. The way back is the page and never the form:
// a POST cannot be repeated by a redirect.
func (s *Set) RequireRecent(c *gin.Context) {
	if s.recent(Session(c).AuthTime.Time) {
		return
	}
	SeeOther(c, "/account/reauth?return_to="+url.QueryEscape(backTo(c)))
	c.Abort()
}

// RequireRecentBearer is RequireRecent for programs: 403 with the challenge of
// RFC 9470, and POST /api/v1/reauth answers it.
func (s *Set) RequireRecentBearer(c *gin.Context) {
	if !s.recent(Principal(c).AuthTime) {
		Fail(c, apperr.New(apperr.Forbidden, "step_up_required"))
	}
}

// Proved reports whether RequireRecent would let the visitor through.
func (s *Set) Proved(c *gin.Context) bool { return s.recent(Session(c).AuthTime.Time) }

func (s *Set) recent(proof time.Time) bool {
	return !proof.IsZero() && s.Clock().Sub(proof) <= RecentAge
}

// RequirePermission stands behind RequireSession or Bearer and asks the database
// who has the permission at this moment. What the token says about roles may be
// minutes old and is not looked at (security rule 11).
func (s *Set) RequirePermission(p accounts.Permission) gin.HandlerFunc {
	return func(c *gin.Context) {
		user := models.ID{}
		if session := Session(c); session.SignedIn() {
			user = session.UserID
		} else if bearer := Principal(c); bearer != nil {
			user = models.ID(bearer.Sub)
		}
		ok, err := s.Permitted(c.Request.Context(), user, p)
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

// backTo is the page to come back to. Every form of ours is posted to the
// address of its page or one below it that answers GET too.
func backTo(c *gin.Context) string {
	if isRead(c.Request.Method) {
		return LocalPath(c.Request.URL.RequestURI(), "/account")
	}
	return LocalPath(c.Request.URL.EscapedPath(), "/account")
}

// SeeOther sends a browser on with GET (RFC 9110, section 15.4.4), the answer
// to every form that worked.
func SeeOther(c *gin.Context, to string) {
	c.Redirect(http.StatusSeeOther, to)
}
