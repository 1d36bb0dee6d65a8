package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
)

// resetForm answers GET /reset, behind a link that an operator made. It
// consumes nothing.
func (a *app) resetForm(c *gin.Context) error {
	return a.resetPage(c, ok200, c.Query("token"), none)
}

func (a *app) resetPage(c *gin.Context, status int, token string, p middleware.Problem) error {
	u, err := a.Accounts.PeekReset(c.Request.Context(), token)
	if err != nil {
		return ended(err)
	}
	return a.drawReset(c, status, token, loginName(u), p)
}

// reset answers POST /reset. Every session of the account ends, so that who
// had the old password is out.
func (a *app) reset(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "token", "new_password")
	if err != nil {
		return err
	}
	token, password := form.Get("token"), form.Get("new_password")
	err = required("new_password", password)
	if err == nil {
		err = a.Accounts.ResetPassword(c.Request.Context(), token, password, a.by(c))
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.resetPage(c, status, token, p) })
	}
	return a.done(c, good("password_reset"), "/login")
}
