package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/models"
)

// distrust answers POST /account/security/trusted: one browser by its id, or all
// when the button of that name was pressed, are asked for the second factor
// again.
func (a *app) distrust(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "id", "all")
	if err != nil {
		return err
	}
	var id models.ID
	if !form.Has("all") {
		if id, err = models.ParseID(form.Get("id")); err != nil || id.IsZero() {
			return apperr.New(apperr.NotFound, "not_found")
		}
	}
	if _, err := a.SignIn.Distrust(c.Request.Context(), middleware.Session(c).UserID, id, a.by(c)); err != nil {
		return err
	}
	return a.done(c, good("trust_ended"), securityPage)
}
