package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/signin"
)

type reauthBody struct {
	Password string `json:"password"`
}

// apiReauth answers POST /api/v1/reauth: a new access token of the same
// session whose auth_time is now (RFC 9470).
func (a *app) apiReauth(c *gin.Context) error {
	var in reauthBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("password", in.Password); err != nil {
		return err
	}
	me, ctx := whoIs(c), c.Request.Context()
	r := signin.Reproof{User: me.user, Session: me.session, Secret: in.Password, Client: a.web.Client(c)}
	if _, _, err := a.SignIn.Reauth(ctx, r); err != nil {
		return err
	}
	access, err := a.Tokens.Access.ForSession(ctx, me.session)
	if err != nil {
		return err
	}
	return ok(c, a.tokenAnswer(access, nil, nil))
}
