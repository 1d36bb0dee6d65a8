package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// reauthForm answers GET /account/reauth: the password once more, before
// something that asks for a fresh proof.
func (a *app) reauthForm(c *gin.Context) error {
	return a.reauthPage(c, ok200, middleware.LocalPath(c.Query("return_to"), "/account"), none)
}

// reauthPage asks for what a proof takes here: the code of the app where there
// is one, because the password would be weaker than what it protects.
func (a *app) reauthPage(c *gin.Context, status int, back string, p middleware.Problem) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	held, err := a.SignIn.Factors.Held(c.Request.Context(), u.ID)
	if err != nil {
		return err
	}
	return a.drawReauth(c, status, u, reauthTyped{back, held.TOTP > 0}, p)
}

// reauthTyped is what the page shows.
type reauthTyped struct {
	Back string
	Code bool // asks for a code of the app
}

// reauth answers POST /account/reauth.
func (a *app) reauth(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "password", "code", "return_to")
	if err != nil {
		return err
	}
	back, s := middleware.LocalPath(form.Get("return_to"), "/account"), middleware.Session(c)
	method, secret := "", form.Get("password")
	err = required("password", secret)
	if form.Has("code") {
		method, secret = "totp", form.Get("code")
		err = required("code", secret)
	}
	if err == nil {
		_, err = a.proveBy(c, s, method, secret)
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.reauthPage(c, status, back, p) })
	}
	return a.done(c, good("reproved"), back)
}

// prove takes the password once more and gives the browser a new cookie (rule
// 9), whatever becomes of that for which the proof is.
func (a *app) prove(c *gin.Context, s *tokens.Session, password string) (tokens.Proof, error) {
	return a.proveBy(c, s, "", password)
}

func (a *app) proveBy(c *gin.Context, s *tokens.Session, method, secret string) (tokens.Proof, error) {
	proof, started, err := a.SignIn.Reauth(c.Request.Context(), signin.Reproof{
		User: s.UserID, Session: s.ID, Browser: s, Method: method, Secret: secret, Client: a.by(c),
	})
	if err == nil {
		websession.Adopt(c, started)
	}
	return proof, err
}
