package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
	"gatehouse/signin"
)

type registerBody struct {
	Email    string  `json:"email"`
	Password string  `json:"password"`
	Username *string `json:"username"`
	Name     *string `json:"name"`
}

// registeredJSON is the answer to a sign-up: where the code is to be sent, or
// the account when addresses are not verified here.
type registeredJSON struct {
	Status  string    `json:"status"`
	Attempt string    `json:"attempt,omitempty"`
	User    *userJSON `json:"user,omitempty"`
}

// apiRegister answers POST /api/v1/register.
func (a *app) apiRegister(c *gin.Context) error {
	var in registerBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("email", in.Email, "password", in.Password); err != nil {
		return err
	}
	done, err := a.Accounts.Register(c.Request.Context(), accounts.Register{
		Email: in.Email, Password: in.Password, Username: text(in.Username), Name: text(in.Name), Client: a.by(c),
	})
	if err != nil {
		return err
	}
	if done.Active != nil {
		user := userOf(done.Active, signin.Held{})
		c.JSON(http.StatusCreated, registeredJSON{Status: "active", User: &user})
		return nil
	}
	c.JSON(http.StatusAccepted, registeredJSON{Status: "verify_email", Attempt: done.Attempt.Reveal()})
	return nil
}
