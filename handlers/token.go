package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
)

// tokenForm answers GET /account/tokens: what a token is, and a button.
func (a *app) tokenForm(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return a.drawTokenForm(c, u)
}

// showToken answers POST /account/tokens with the token itself, 200 and
// no-store: a secret that is shown once is never parked in the session.
func (a *app) showToken(c *gin.Context) error {
	if _, err := middleware.ParseForm(c.Request); err != nil {
		return err
	}
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	access, err := a.Tokens.Access.Show(c.Request.Context(), s.ID, a.by(c))
	if err != nil {
		return err
	}
	return a.drawToken(c, u, access)
}
