package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/middleware"
)

// forgotBody names an account by its address or its username.
type forgotBody struct {
	Email    *string `json:"email"`
	Username *string `json:"username"`
}

// attemptJSON is where the code of a mail is to be sent.
type attemptJSON struct {
	Attempt string `json:"attempt"`
}

// apiForgot answers POST /api/v1/password/forgot: 202 whoever that is.
func (a *app) apiForgot(c *gin.Context) error {
	var in forgotBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	name, login := "email", text(in.Email)
	if login == "" && text(in.Username) != "" {
		name, login = "username", text(in.Username)
	}
	attempt, err := a.Accounts.Forgot(c.Request.Context(), login, a.by(c))
	if err != nil {
		return blameInstead(err, "username", name)
	}
	c.JSON(http.StatusAccepted, attemptJSON{attempt.Reveal()})
	return nil
}

// blameInstead names a field as the caller does.
func blameInstead(err error, from, to string) error {
	e := apperr.From(err)
	wrong, found := e.Fields[from]
	if !found || from == to {
		return err
	}
	return apperr.New(e.Kind, e.Reason).WithField(to, wrong)
}

type resetBody struct {
	Attempt     *string `json:"attempt"`
	Code        *string `json:"code"`
	Token       *string `json:"token"`
	NewPassword string  `json:"new_password"`
}

// check wants one of the two proofs: the code with its attempt, or the token.
func (b resetBody) check() error {
	switch {
	case b.Token == nil && b.Code == nil:
		return required("code", "", "new_password", b.NewPassword)
	case b.Token != nil && b.Code != nil:
		return apperr.New(apperr.Malformed, "code_and_token")
	case b.Token != nil:
		return required("token", *b.Token, "new_password", b.NewPassword)
	}
	return required("code", *b.Code, "attempt", text(b.Attempt), "new_password", b.NewPassword)
}

// apiReset answers POST /api/v1/password/reset.
func (a *app) apiReset(c *gin.Context) error {
	var in resetBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	err := a.Accounts.ResetPassword(c.Request.Context(), accounts.ResetInput{
		Attempt: text(in.Attempt), Code: text(in.Code), Token: text(in.Token), Password: in.NewPassword, Client: a.by(c),
	})
	if err != nil {
		return err
	}
	return noContent(c)
}
