package handlers

import (
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/signin"
)

// The page behind the link of an operator, for who has lost every second
// factor. It is a sign-in: the link stands for what was lost and opens nothing
// without the password.

// lostTyped is what the page shows.
type lostTyped struct{ Token, Username string }

// lostForm answers GET /login/reset. It uses nothing up.
func (a *app) lostForm(c *gin.Context) error {
	token := c.Query("token")
	if err := a.SignIn.PeekReset(c.Request.Context(), token); err != nil {
		return ended(err)
	}
	return a.drawLost(c, ok200, lostTyped{Token: token}, none)
}

// lost answers POST /login/reset.
func (a *app) lost(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "token", "username", "password")
	if err != nil {
		return err
	}
	page := lostTyped{form.Get("token"), form.Get("username")}
	if err := a.SignIn.PeekReset(c.Request.Context(), page.Token); err != nil {
		return ended(err)
	}
	to, err := a.loginBrowser(c, signin.Input{Login: page.Username, Password: form.Get("password")}, "/account/security")
	switch {
	case errors.Is(err, errNext):
		return a.lostStep(c, page.Token)
	case errors.Is(err, signin.ErrMustChange):
		middleware.SeeOther(c, to)
		return nil
	case errors.Is(err, signin.ErrNotVerified):
		return a.awaitCode(c, to, "")
	case err != nil:
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawLost(c, status, page, p) })
	}
	middleware.SeeOther(c, "/account/security")
	return nil
}

func (a *app) lostStep(c *gin.Context, token string) error {
	by := a.byBrowser(c)
	held := middleware.Session(c)
	done, err := a.SignIn.ResetFactors(c.Request.Context(), signin.Step{
		Attempt: websession.TextIn(held.Data, keptSignIn), Secret: token, Web: true, Client: by,
		Anonymous: held, Data: websession.DataWith(good("factors_reset")),
	})
	switch {
	case errors.Is(err, signin.ErrMustChange):
		return a.toNewPassword(c, done, err)
	case signin.ErrAttempt.Is(err):
		return a.beginAgain(c)
	case err != nil:
		return ended(err)
	case len(done.Next) > 0:
		middleware.SeeOther(c, stepPage(done.Next[0]))
		return nil
	}
	websession.Adopt(c, done.Session)
	a.keepDevice(c, done.Browser)
	middleware.SeeOther(c, "/account/security")
	return nil
}
