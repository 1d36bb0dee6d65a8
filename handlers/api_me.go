package handlers

import (
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/models"
)

// bearer is who a checked access token speaks for.
type bearer struct {
	user, session models.ID
}

func whoIs(c *gin.Context) bearer {
	p := middleware.Principal(c)
	return bearer{user: models.ID(p.Sub), session: models.ID(p.SID)}
}

// me reads the person behind the token from the database: the token carries
// no personal data, and what it says may be minutes old.
func (a *app) me(c *gin.Context) (*models.User, error) {
	u, err := a.Accounts.Get(c.Request.Context(), whoIs(c).user)
	if errors.Is(err, accounts.ErrNotFound) { // deleted, and the token not yet out of use
		err = apperr.New(apperr.Unauthenticated, "unknown_subject")
	}
	return u, err
}

// apiMe answers GET /api/v1/me.
func (a *app) apiMe(c *gin.Context) error {
	u, err := a.me(c)
	if err != nil {
		return err
	}
	return a.answerUser(c, u)
}

// profileBody is all that a person may change of themselves here (rule 21).
type profileBody struct {
	Name     *string `json:"name"`
	Username *string `json:"username"`
}

// apiProfile answers PATCH /api/v1/me.
func (a *app) apiProfile(c *gin.Context) error {
	var in profileBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	u, err := a.Accounts.UpdateProfile(c.Request.Context(), whoIs(c).user,
		accounts.Profile{Name: in.Name, Username: in.Username}, a.web.Client(c))
	if err != nil {
		return err
	}
	return a.answerUser(c, u)
}

// answerUser answers with a person as they see themselves.
func (a *app) answerUser(c *gin.Context, u *models.User) error {
	held, err := a.SignIn.Factors.Held(c.Request.Context(), u.ID)
	if err != nil {
		return err
	}
	return ok(c, userOf(u, held))
}
