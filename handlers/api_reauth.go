package handlers

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// reauthBody has one of the three, or the password and one of the others.
type reauthBody struct {
	Password   *string         `json:"password"`
	Code       *string         `json:"code"`
	Credential json.RawMessage `json:"credential"`
}

// proofs are what was shown, the password first, so that the other factor comes
// on top of it.
func (b reauthBody) proofs() (list []signin.Reproof, err error) {
	if b.Password != nil {
		list, err = append(list, signin.Reproof{Secret: *b.Password}), required("password", *b.Password)
	}
	switch {
	case err != nil:
		return nil, err
	case b.Code != nil && b.Credential != nil:
		return nil, apperr.InvalidField("credential", "one_of_two")
	case b.Code != nil:
		return append(list, signin.Reproof{Method: "totp", Secret: *b.Code}), required("code", *b.Code)
	case b.Credential != nil:
		answer := &signin.PasskeyAnswer{Credential: b.Credential}
		return append(list, signin.Reproof{Method: "passkey", Response: answer}), nil
	case list == nil:
		return nil, required("password", "")
	}
	return list, nil
}

// apiReauth answers POST /api/v1/reauth: a new access token of the same session
// that says what was shown, and when (RFC 9470).
func (a *app) apiReauth(c *gin.Context) error {
	var in reauthBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	proofs, err := in.proofs()
	if err != nil {
		return err
	}
	me := whoIs(c)
	for _, r := range proofs {
		r.User, r.Session, r.Client = me.user, me.session, a.by(c)
		_, _, err := a.SignIn.Reauth(c.Request.Context(), r)
		err = wrongPassword("password", err)
		if err != nil && !tokens.ErrNoSession.Is(err) {
			err = middleware.WithCode("invalid_credentials", err)
		}
		if err != nil {
			return err
		}
	}
	return a.freshToken(c)
}

// freshToken answers with an access token of the session as it is now.
func (a *app) freshToken(c *gin.Context) error {
	access, err := a.Tokens.Access.ForSession(c.Request.Context(), whoIs(c).session)
	if err != nil {
		return err
	}
	return ok(c, a.bareTokens(access, nil))
}
