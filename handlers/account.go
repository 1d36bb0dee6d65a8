package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/tokens"
)

// signedIn is the session and the person behind a page. The guard has checked
// the session; its user can still be deleted between the two reads.
func (a *app) signedIn(c *gin.Context) (*tokens.Session, *models.User, error) {
	s := middleware.Session(c)
	u, err := a.Accounts.Get(c.Request.Context(), s.UserID)
	return s, u, err
}

// loginName is what a password manager files the password under.
func loginName(u *models.User) string {
	if u.Username != nil {
		return *u.Username
	}
	return u.Email
}

// account answers GET /account.
func (a *app) account(c *gin.Context) error {
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	list, err := a.Tokens.Sessions.List(c.Request.Context(), s.UserID)
	if err != nil {
		return err
	}
	return a.drawAccount(c, s, u, len(list))
}
