package handlers

import (
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
)

// What the session of an anonymous browser remembers of a reset that it asked
// for. The row is sealed and ends within the hour.
const (
	keptReset      = "reset_attempt"
	keptResetLogin = "reset_login"
)

// forgotForm answers GET /forgot.
func (a *app) forgotForm(c *gin.Context) error { return a.drawForgot(c, ok200, "", none) }

// forgot answers POST /forgot. The next page is the same for every name.
func (a *app) forgot(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "username", "email", workField)
	if err != nil {
		return err
	}
	a.takeWork(c, form)
	login := or(form.Get("username"), form.Get("email"))
	attempt, err := a.Accounts.Forgot(c.Request.Context(), login, a.by(c))
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawForgot(c, status, login, p) })
	}
	s := sessions.Default(c)
	s.Set(keptReset, attempt.Reveal())
	s.Set(keptResetLogin, login)
	if err := s.Save(); err != nil {
		return err
	}
	middleware.SeeOther(c, "/reset")
	return nil
}
