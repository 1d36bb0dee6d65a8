package handlers

import (
	"strconv"

	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// securityForm answers GET /account/security.
func (a *app) securityForm(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return a.drawSecurity(c, ok200, u, none)
}

// security answers POST /account/security: a new password, on the proof of the
// current one. Every other session ends.
func (a *app) security(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "current_password", "new_password")
	if err != nil {
		return err
	}
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	others := a.countOthers(c, s)
	if err := a.newPassword(c, s, form); err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawSecurity(c, status, u, p) })
	}
	return a.done(c, good("password_changed", "Count", strconv.Itoa(others)), "/account/security")
}

func (a *app) newPassword(c *gin.Context, s *tokens.Session, form middleware.Form) error {
	current, fresh := form.Get("current_password"), form.Get("new_password")
	if err := required("current_password", current, "new_password", fresh); err != nil {
		return err
	}
	proof, err := a.prove(c, s, signin.Reproof{Secret: current})
	if err != nil {
		return wrongPassword("current_password", err)
	}
	by := a.byBrowser(c)
	if err := a.Accounts.ChangePassword(c.Request.Context(), proof, fresh, s.ID, by); err != nil {
		return err
	}
	a.keepDevice(c, by.Fresh)
	return nil
}

// countOthers is how many sessions a change of the password is about to end.
// It is for the words only, so a failed read counts none.
func (a *app) countOthers(c *gin.Context, s *tokens.Session) int {
	list, err := a.Tokens.Sessions.List(c.Request.Context(), s.UserID)
	if err != nil {
		return 0
	}
	return max(0, len(list)-1)
}
