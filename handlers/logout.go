package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
)

// logout answers POST /logout. The old session is dead before the browser gets
// another one. Who is not signed in any more is led the same way, without a
// message: keeping one takes a row, and strangers could make as many as they like.
func (a *app) logout(c *gin.Context) error {
	s := middleware.Session(c)
	if !s.SignedIn() {
		websession.Forget(c)
		middleware.SeeOther(c, "/login")
		return nil
	}
	if _, err := a.Tokens.Sessions.EndCurrent(c.Request.Context(), s.UserID, s.ID, a.by(c)); err != nil {
		return err
	}
	websession.Restart(c, good("signed_out"))
	middleware.SeeOther(c, "/login")
	return nil
}
