package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/signin"
	"gatehouse/tokens"
)

type refreshBody struct {
	RefreshToken string `json:"refresh_token"`
}

// apiRefresh answers POST /api/v1/token/refresh.
func (a *app) apiRefresh(c *gin.Context) error {
	var in refreshBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("refresh_token", in.RefreshToken); err != nil {
		return err
	}
	ctx := c.Request.Context()
	done, err := a.Tokens.Refresh.Rotate(ctx, in.RefreshToken, tokens.FirstParty, a.web.Client(c))
	if err != nil {
		return middleware.WithCode("invalid_grant", err)
	}
	user, err := a.Accounts.Get(ctx, done.User)
	if err != nil {
		return err
	}
	held, err := a.SignIn.Factors.Held(ctx, user.ID)
	if err != nil {
		return err
	}
	return ok(c, a.tokenAnswer(signin.Result{User: user, Held: held, Access: &done.Access, Refresh: &done.Refresh}))
}
