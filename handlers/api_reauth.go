package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
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
	if _, err := a.SignIn.Reauth(ctx, me.user, me.session, in.Password, a.web.Client(c)); err != nil {
		return err
	}
	access, err := a.Tokens.Access.ForSession(ctx, me.session)
	if err != nil {
		return err
	}
	return ok(c, a.tokenAnswer(access, nil, nil))
}
