package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/middleware"
)

type emailBody struct {
	Email string `json:"email"`
}

// apiEmail answers POST /api/v1/me/email: 202 whether or not somebody has the
// address.
func (a *app) apiEmail(c *gin.Context) error {
	var in emailBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	attempt, err := a.Accounts.ChangeEmail(c.Request.Context(), middleware.Proof(c), in.Email, a.by(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, attemptJSON{attempt.Reveal()})
	return nil
}

type emailVerifyBody struct {
	Attempt *string `json:"attempt"`
	Code    *string `json:"code"`
	Token   *string `json:"token"`
}

// check wants one of the two proofs: the code with its attempt, or the token.
func (b emailVerifyBody) check() error {
	switch {
	case b.Token == nil && b.Code == nil:
		return required("code", "")
	case b.Token != nil && b.Code != nil:
		return apperr.New(apperr.Malformed, "code_and_token")
	case b.Token != nil:
		return required("token", *b.Token)
	}
	return required("code", *b.Code, "attempt", text(b.Attempt))
}

// apiEmailVerify answers POST /api/v1/me/email/verify.
func (a *app) apiEmailVerify(c *gin.Context) error {
	var in emailVerifyBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	err := a.Accounts.ConfirmEmail(c.Request.Context(), whoIs(c).user, accounts.EmailProof{
		Attempt: text(in.Attempt), Code: text(in.Code), Token: text(in.Token), Client: a.by(c),
	})
	if err != nil {
		return err
	}
	return noContent(c)
}
