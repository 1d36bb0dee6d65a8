package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/signin"
)

type loginBody struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// nextJSON says which step comes after a first factor.
type nextJSON struct {
	Next    []string `json:"next"`
	Attempt string   `json:"attempt"`
}

// apiLogin answers POST /api/v1/login.
func (a *app) apiLogin(c *gin.Context) error {
	var in loginBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	return a.loginProgram(c, in)
}

// loginProgram signs a program in: it gets tokens and no cookie. The form of
// the login page comes here too when it asks for JSON.
func (a *app) loginProgram(c *gin.Context, in loginBody) error {
	return a.programIn(c, signin.Input{Login: in.Username, Password: in.Password})
}

// programIn takes the first step of a program.
func (a *app) programIn(c *gin.Context, in signin.Input) error {
	in.Client = a.by(c)
	done, err := a.SignIn.SignIn(c.Request.Context(), in)
	if err != nil {
		return err
	}
	if len(done.Next) > 0 || done.Access == nil {
		return ok(c, nextJSON{Next: done.Next, Attempt: done.Attempt.Reveal()})
	}
	return ok(c, a.tokenAnswer(done))
}
