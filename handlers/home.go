package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
)

// home answers GET /: the login page, or the account of who is signed in.
func (a *app) home(c *gin.Context) error {
	if middleware.Session(c).SignedIn() {
		middleware.SeeOther(c, "/account")
		return nil
	}
	return a.drawLogin(c, ok200, loginTyped{}, none)
}

// public answers GET /public, a page that is open to all.
func (a *app) public(c *gin.Context) error {
	if !middleware.Session(c).SignedIn() {
		return a.drawPublic(c, nil)
	}
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return a.drawPublic(c, u)
}
