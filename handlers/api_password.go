package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/signin"
)

type passwordBody struct {
	CurrentPassword string `json:"current_password"`
	NewPassword     string `json:"new_password"`
}

// apiPassword answers POST /api/v1/me/password. The current password is the
// fresh proof that the change asks for (rule 12); its tries are counted with
// those of the login.
func (a *app) apiPassword(c *gin.Context) error {
	var in passwordBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("current_password", in.CurrentPassword, "new_password", in.NewPassword); err != nil {
		return err
	}
	ctx, receipt, err := a.receipt(c)
	if err != nil {
		return err
	}
	me, by := whoIs(c), a.by(c)
	proof, _, err := a.SignIn.Reauth(ctx, signin.Reproof{User: me.user, Session: me.session, Secret: in.CurrentPassword, Client: by})
	if err != nil {
		return wrongPassword("current_password", err)
	}
	if err := a.Accounts.ChangePassword(ctx, proof, in.NewPassword, me.session, by); err != nil {
		return err
	}
	return a.ended(c, receipt)
}
