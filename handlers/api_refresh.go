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
	done, err := a.Tokens.Refresh.Rotate(c.Request.Context(), in.RefreshToken, tokens.FirstParty, a.web.Client(c))
	if err != nil {
		return middleware.WithCode("invalid_grant", err)
	}
	// Server wires signin.Beside into tokens, so that it is a Person and nothing else.
	person := done.Person.(*signin.Person)
	return ok(c, a.tokenAnswer(signin.Result{User: &person.User, Held: person.Held, Access: &done.Access, Refresh: &done.Refresh}))
}
