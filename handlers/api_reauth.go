package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/signin"
)

// reauthBody has one of the two.
type reauthBody struct {
	Password string `json:"password"`
	Code     string `json:"code"`
}

// proofTyped is the method and the secret of a proof: a code of the app, or the
// password.
func proofTyped(password, code string) (method, secret string, err error) {
	if code != "" && password == "" {
		return "totp", code, nil
	}
	if code != "" {
		return "", "", apperr.InvalidField("code", "one_of_two")
	}
	return "", password, required("password", password)
}

// apiReauth answers POST /api/v1/reauth: a new access token of the same
// session whose auth_time is now (RFC 9470).
func (a *app) apiReauth(c *gin.Context) error {
	var in reauthBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	method, secret, err := proofTyped(in.Password, in.Code)
	if err != nil {
		return err
	}
	me, ctx := whoIs(c), c.Request.Context()
	r := signin.Reproof{User: me.user, Session: me.session, Method: method, Secret: secret, Client: a.web.Client(c)}
	if _, _, err := a.SignIn.Reauth(ctx, r); err != nil {
		return middleware.WithCode("invalid_credentials", err)
	}
	access, err := a.Tokens.Access.ForSession(ctx, me.session)
	if err != nil {
		return err
	}
	return ok(c, a.bareTokens(access, nil))
}
