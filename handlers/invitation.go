package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/middleware"
)

// invitedTyped is what stays in the form after a mistake.
type invitedTyped struct{ Token, Email, Name, Username string }

// invitationForm answers GET /invitation, behind the link of a mail. It
// consumes nothing: mail scanners follow links, and have no password to choose.
func (a *app) invitationForm(c *gin.Context) error {
	return a.invitationPage(c, ok200, invitedTyped{Token: c.Query("token")}, none)
}

func (a *app) invitationPage(c *gin.Context, status int, typed invitedTyped, p middleware.Problem) error {
	inv, err := a.Accounts.PeekInvitation(c.Request.Context(), typed.Token)
	if err != nil {
		return ended(err)
	}
	typed.Email = inv.Email
	return a.drawInvitation(c, status, typed, p)
}

// acceptInvitation answers POST /invitation.
func (a *app) acceptInvitation(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "token", "name", "username", "password")
	if err != nil {
		return err
	}
	typed := invitedTyped{Token: form.Get("token"), Name: form.Get("name"), Username: form.Get("username")}
	_, err = a.Accounts.AcceptInvitation(c.Request.Context(), accounts.Accept{
		Token: typed.Token, Name: typed.Name, Username: typed.Username, Password: form.Get("password"), Client: a.by(c),
	})
	if apperr.Reason(err) == "email_taken" {
		// The page has no field for the address, and another form would not help.
		return apperr.New(apperr.Conflict, "email_taken")
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.invitationPage(c, status, typed, p) })
	}
	return a.done(c, good("registered"), "/login")
}
