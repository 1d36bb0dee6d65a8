package handlers

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/signin"
)

// reauthBody has one of the three.
type reauthBody struct {
	Password   string          `json:"password"`
	Code       string          `json:"code"`
	Credential json.RawMessage `json:"credential"`
}

// proof is the method of a proof and what was shown: a passkey, a code of the
// app, or the password.
func (in reauthBody) proof() (signin.Reproof, error) {
	switch {
	case len(in.Credential) > 0 && in.Code == "" && in.Password == "":
		return signin.Reproof{Method: "passkey", Response: &signin.PasskeyAnswer{Credential: in.Credential}}, nil
	case len(in.Credential) > 0:
		return signin.Reproof{}, apperr.InvalidField("credential", "one_of_two")
	case in.Code != "" && in.Password == "":
		return signin.Reproof{Method: "totp", Secret: in.Code}, nil
	case in.Code != "":
		return signin.Reproof{}, apperr.InvalidField("code", "one_of_two")
	}
	return signin.Reproof{Secret: in.Password}, required("password", in.Password)
}

// apiReauth answers POST /api/v1/reauth: a new access token of the same
// session whose auth_time is now (RFC 9470).
func (a *app) apiReauth(c *gin.Context) error {
	var in reauthBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	r, err := in.proof()
	if err != nil {
		return err
	}
	me, ctx := whoIs(c), c.Request.Context()
	r.User, r.Session, r.Client = me.user, me.session, a.web.Client(c)
	if _, _, err := a.SignIn.Reauth(ctx, r); err != nil {
		return middleware.WithCode("invalid_credentials", err)
	}
	access, err := a.Tokens.Access.ForSession(ctx, me.session)
	if err != nil {
		return err
	}
	return ok(c, a.bareTokens(access, nil))
}
