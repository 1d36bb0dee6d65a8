package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
)

// logout answers POST /logout. The old session is dead before the browser gets
// another one; who is not signed in any more hears the same.
func (a *app) logout(c *gin.Context) error {
	if s := middleware.Session(c); s.SignedIn() {
		if _, err := a.Tokens.Sessions.EndCurrent(c.Request.Context(), s.UserID, s.ID, a.by(c)); err != nil {
			return err
		}
	}
	websession.Restart(c, good("signed_out"))
	middleware.SeeOther(c, "/login")
	return nil
}
