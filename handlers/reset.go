package handlers

import (
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
)

// resetTyped is what the page of a reset shows: behind a link the account, in
// the browser that asked the field for the code and the name that was typed.
type resetTyped struct{ Token, Login string }

// resetForm answers GET /reset. It consumes nothing: mail scanners follow
// links, and have no new password to set.
func (a *app) resetForm(c *gin.Context) error {
	token := c.Query("token")
	if token == "" && kept(c, keptReset) == "" {
		middleware.SeeOther(c, "/forgot")
		return nil
	}
	return a.resetPage(c, ok200, token, none)
}

func (a *app) resetPage(c *gin.Context, status int, token string, p middleware.Problem) error {
	if token == "" {
		return a.drawReset(c, status, resetTyped{Login: kept(c, keptResetLogin)}, p)
	}
	u, err := a.Accounts.PeekReset(c.Request.Context(), token)
	if err != nil {
		return ended(err)
	}
	return a.drawReset(c, status, resetTyped{token, loginName(u)}, p)
}

// reset answers POST /reset, with the token of a link or with a code of the
// attempt that this browser began. Every session of the account ends, so that
// who had the old password is out, and this browser is known from now on: its
// sign-in does not wait for anybody's guesses.
func (a *app) reset(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "token", "code", "new_password")
	if err != nil {
		return err
	}
	in := accounts.ResetInput{
		Token: form.Get("token"), Attempt: kept(c, keptReset), Code: form.Get("code"),
		Password: form.Get("new_password"), Client: a.byBrowser(c),
	}
	if in.Token == "" && in.Attempt == "" { // the session ended meanwhile, or it is another browser
		middleware.SeeOther(c, "/forgot")
		return nil
	}
	if in.Token != "" {
		err = required("new_password", in.Password)
	}
	if err == nil {
		err = a.Accounts.ResetPassword(c.Request.Context(), in)
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.resetPage(c, status, in.Token, p) })
	}
	a.keepDevice(c, in.Client.Fresh)
	s := sessions.Default(c)
	s.Delete(keptReset)
	s.Delete(keptResetLogin)
	return a.done(c, good("password_reset"), "/login")
}
