package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/signin"
	"gatehouse/tokens"
)

const passkeysPage = "/account/security/passkeys"

// passkeysTyped is the form in which something is wrong.
type passkeysTyped struct{ ID, Name string }

// passkeys answers GET /account/security/passkeys.
func (a *app) passkeys(c *gin.Context) error { return a.passkeysDrawn(c, ok200, passkeysTyped{}, none) }

func (a *app) passkeysDrawn(c *gin.Context, status int, typed passkeysTyped, p middleware.Problem) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	list, err := a.Passkeys.List(c.Request.Context(), u.ID)
	if err != nil {
		return err
	}
	return a.drawPasskeys(c, status, passkeysDrawing{u, list, typed}, p)
}

// passkeyOwner is who changes their passkeys here.
func (a *app) passkeyOwner(c *gin.Context, s *tokens.Session, u *models.User) signin.PasskeyOwner {
	return signin.PasskeyOwner{User: u, Proof: s.Proof(), Browser: s, By: a.by(c)}
}

// passkeysBegin answers POST /account/security/passkeys/begin to the script.
func (a *app) passkeysBegin(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "conditional")
	if err != nil {
		return err
	}
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return options(c, "")(a.Passkeys.BeginRegister(c.Request.Context(), u, s.ID, form.Get("conditional") != ""))
}

// addPasskey answers POST /account/security/passkeys.
func (a *app) addPasskey(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "credential", "conditional", "name")
	if err != nil {
		return err
	}
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	key, started, err := a.SignIn.AddPasskey(c.Request.Context(), a.passkeyOwner(c, s, u), signin.NewPasskey{
		Conditional: form.Get("conditional") != "", Credential: []byte(form.Get("credential")), Name: form.Get("name"),
	})
	if err != nil {
		return a.passkeyMistake(c, err, passkeysTyped{Name: form.Get("name")})
	}
	if started.Session != nil {
		websession.Renew(c, started)
	}
	return a.done(c, good("passkey_added", "Name", key.Name), passkeysPage)
}

// changePasskey answers POST /account/security/passkeys/change: another name.
func (a *app) changePasskey(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "id", "name")
	if err != nil {
		return err
	}
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	id, err := passkeyID(form.Get("id"))
	if err == nil {
		err = a.Passkeys.Rename(c.Request.Context(), a.passkeyOwner(c, s, u), id, form.Get("name"))
	}
	if err != nil {
		return a.passkeyMistake(c, err, passkeysTyped{ID: form.Get("id"), Name: form.Get("name")})
	}
	return a.done(c, good("passkey_renamed", "Name", form.Get("name")), passkeysPage)
}

// removePasskey answers POST /account/security/passkeys/remove.
func (a *app) removePasskey(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "id")
	if err != nil {
		return err
	}
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	id, err := passkeyID(form.Get("id"))
	if err != nil {
		return err
	}
	key, err := a.SignIn.RemovePasskey(c.Request.Context(), a.passkeyOwner(c, s, u), id)
	if err != nil {
		return a.passkeyMistake(c, err, passkeysTyped{})
	}
	return a.done(c, good("passkey_removed", "Name", key.Name), passkeysPage)
}

// passkeyMistake shows what is wrong.
func (a *app) passkeyMistake(c *gin.Context, err error, typed passkeysTyped) error {
	return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.passkeysDrawn(c, status, typed, p) })
}

func passkeyID(typed string) (models.ID, error) {
	id, err := models.ParseID(typed)
	if err != nil {
		return id, apperr.New(apperr.NotFound, "not_found")
	}
	return id, nil
}

// backToPasskeys answers a GET below the page that only a POST has an answer
// for: it is where a browser lands after it proved itself again.
func (a *app) backToPasskeys(c *gin.Context) error {
	middleware.SeeOther(c, passkeysPage)
	return nil
}
