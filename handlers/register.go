package handlers

import (
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
)

// What the session of an anonymous browser remembers of its sign-up. The row
// is sealed and ends within the hour.
const (
	keptAttempt = "verify_attempt"
	keptEmail   = "verify_email"
)

// registerTyped is what stays in the form after a mistake.
type registerTyped struct{ Email, Username, Name string }

// registerForm answers GET /register.
func (a *app) registerForm(c *gin.Context) error {
	if middleware.Session(c).SignedIn() {
		middleware.SeeOther(c, "/account")
		return nil
	}
	// Without a form nobody types in vain.
	if err := a.Accounts.MayRegister(); err != nil {
		return err
	}
	return a.drawRegister(c, ok200, registerTyped{}, none)
}

// register answers POST /register.
func (a *app) register(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "email", "username", "name", "password", workField)
	if err != nil {
		return err
	}
	a.takeWork(c, form)
	typed := registerTyped{Email: form.Get("email"), Username: form.Get("username"), Name: form.Get("name")}
	again := func(status int, p middleware.Problem) error { return a.drawRegister(c, status, typed, p) }
	if err := required("email", typed.Email, "password", form.Get("password")); err != nil {
		return a.mistake(c, err, again)
	}
	done, err := a.Accounts.Register(c.Request.Context(), accounts.Register{
		Email: typed.Email, Username: typed.Username, Name: typed.Name, Password: form.Get("password"), Client: a.by(c),
	})
	if err != nil {
		return a.mistake(c, err, again)
	}
	if done.Active != nil {
		return a.done(c, good("registered"), "/login")
	}
	return a.awaitCode(c, done.Attempt.Reveal(), typed.Email)
}

// awaitCode remembers in the browser's session which sign-up its code is for.
func (a *app) awaitCode(c *gin.Context, attempt, email string) error {
	s := sessions.Default(c)
	s.Set(keptAttempt, attempt)
	s.Set(keptEmail, email)
	if err := s.Save(); err != nil {
		return err
	}
	middleware.SeeOther(c, "/verify")
	return nil
}
