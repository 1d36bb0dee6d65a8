package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
)

// profileTyped is what stays in the form after a mistake.
type profileTyped struct{ Name, Username string }

// profileForm answers GET /account/profile.
func (a *app) profileForm(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return a.drawProfile(c, ok200, u, profileTyped{Name: u.Name, Username: text(u.Username)}, none)
}

// profile answers POST /account/profile. The fields are all that a person may
// change here; whose they are comes from the session (rule 21).
func (a *app) profile(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "name", "username")
	if err != nil {
		return err
	}
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	typed := profileTyped{Name: form.Get("name"), Username: form.Get("username")}
	_, err = a.Accounts.UpdateProfile(c.Request.Context(), u.ID, profileChange(form), a.by(c))
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawProfile(c, status, u, typed, p) })
	}
	return a.done(c, good("profile_saved"), "/account/profile")
}

func profileChange(form middleware.Form) accounts.Profile {
	var change accounts.Profile
	if form.Has("name") {
		name := form.Get("name")
		change.Name = &name
	}
	if form.Has("username") {
		username := form.Get("username")
		change.Username = &username
	}
	return change
}
