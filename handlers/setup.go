package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
)

// setupTyped is what stays in the form after a mistake.
type setupTyped struct{ Token, Email, Username string }

// setupForm answers GET /setup, behind the link that the server printed. It
// consumes nothing.
func (a *app) setupForm(c *gin.Context) error {
	token := c.Query("token")
	if err := a.Accounts.PeekSetup(c.Request.Context(), token); err != nil {
		return ended(err)
	}
	return a.drawSetup(c, ok200, setupTyped{Token: token}, none)
}

// setup answers POST /setup: it makes the first owner, once.
func (a *app) setup(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "token", "email", "username", "password")
	if err != nil {
		return err
	}
	typed := setupTyped{Token: form.Get("token"), Email: form.Get("email"), Username: form.Get("username")}
	_, err = a.Accounts.Setup(c.Request.Context(), accounts.SetupInput{
		Token: typed.Token, Email: typed.Email, Username: typed.Username, Password: form.Get("password"),
	}, a.by(c))
	if err != nil {
		return a.mistake(c, ended(err), func(status int, p middleware.Problem) error { return a.drawSetup(c, status, typed, p) })
	}
	return a.done(c, good("setup_done"), "/login")
}
