package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/middleware"
)

type verifyBody struct {
	Attempt  *string `json:"attempt"`
	Code     *string `json:"code"`
	Token    *string `json:"token"`
	Password *string `json:"password"`
	Username *string `json:"username"`
}

// check wants one of the two proofs: the code with its attempt, or the token
// of the link with the attempt or the password of the sign-up (rule 14: a
// click in a stranger's mail must not activate the stranger's password).
func (b verifyBody) check() error {
	switch {
	case b.Token == nil && b.Code == nil:
		return required("code", "")
	case b.Token != nil && b.Code != nil:
		return apperr.New(apperr.Malformed, "code_and_token")
	case b.Code != nil:
		return required("code", *b.Code, "attempt", text(b.Attempt))
	case text(b.Attempt) == "" && text(b.Password) == "":
		return required("token", *b.Token, "password", "")
	}
	return required("token", *b.Token)
}

// apiVerify answers POST /api/v1/verify.
func (a *app) apiVerify(c *gin.Context) error {
	var in verifyBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	_, err := a.Accounts.Verify(c.Request.Context(), accounts.VerifyInput{
		Attempt: text(in.Attempt), Code: text(in.Code), Token: text(in.Token),
		Password: text(in.Password), Username: text(in.Username), Client: a.web.Client(c),
	})
	if err != nil {
		return err
	}
	return noContent(c)
}
