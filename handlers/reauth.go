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

// reauthPage asks for what a proof takes here: a passkey or the code of the app
// where there is one, because the password would be weaker than what it protects.
func (a *app) reauthPage(c *gin.Context, status int, back string, p middleware.Problem) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	held, err := a.SignIn.Factors.Held(c.Request.Context(), u.ID)
	if err != nil {
		return err
	}
	return a.drawReauth(c, status, u, reauthTyped{back, held.TOTP > 0, held.Passkeys > 0 && a.Passkeys.Available()}, p)
}

// reauthTyped is what the page shows.
type reauthTyped struct {
	Back string
	// Code asks for a code of the app, Passkey for a passkey; the password is
	// for those who have neither.
	Code, Passkey bool
}

// reauth answers POST /account/reauth.
func (a *app) reauth(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "password", "code", "credential", "return_to")
	if err != nil {
		return err
	}
	back, s := middleware.LocalPath(form.Get("return_to"), "/account"), middleware.Session(c)
	proof, err := reproofTyped(form)
	if err == nil {
		_, err = a.proveBy(c, s, proof)
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.reauthPage(c, status, back, p) })
	}
	return a.done(c, good("reproved"), back)
}

// prove takes the password once more and gives the browser a new cookie (rule
// 9), whatever becomes of that for which the proof is.
func (a *app) prove(c *gin.Context, s *tokens.Session, password string) (tokens.Proof, error) {
	return a.proveBy(c, s, signin.Reproof{Secret: password})
}

// reproofTyped is the method of a proof and what was shown.
func reproofTyped(form middleware.Form) (signin.Reproof, error) {
	switch {
	case form.Has("credential"):
		return signin.Reproof{Method: "passkey", Response: &signin.PasskeyAnswer{Credential: []byte(form.Get("credential"))}}, nil
	case form.Has("code"):
		return signin.Reproof{Method: "totp", Secret: form.Get("code")}, required("code", form.Get("code"))
	}
	return signin.Reproof{Secret: form.Get("password")}, required("password", form.Get("password"))
}

func (a *app) proveBy(c *gin.Context, s *tokens.Session, r signin.Reproof) (tokens.Proof, error) {
	r.User, r.Session, r.Browser, r.Client = s.UserID, s.ID, s, a.by(c)
	proof, started, err := a.SignIn.Reauth(c.Request.Context(), r)
	if err == nil {
		websession.Adopt(c, started)
	}
	return proof, err
}
