package handlers

import (
	"errors"
	"net/http"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/signin"
)

// What the session of an anonymous browser remembers of a code that it asked
// for. The row is sealed and ends within the hour.
const (
	keptCode      = "emailcode_attempt"
	keptCodeLogin = "emailcode_login"
)

// codeTyped is what the page of a mailed code shows.
type codeTyped struct {
	Login string
	Asked bool
}

// byCode is the sign-in of a code and the attempt that it was mailed for.
func byCode(attempt, code string) signin.Input {
	return signin.Input{Method: "emailcode", Password: code, Response: attempt}
}

// codesOn hides the method while EMAIL_CODE_LOGIN is off.
func (a *app) codesOn() error {
	if a.Config.EmailCode {
		return nil
	}
	return apperr.New(apperr.NotFound, "not_found")
}

// codeForm answers GET /login/emailcode: the field for the code in the browser
// that asked for one, else that for the name.
func (a *app) codeForm(c *gin.Context) error {
	if err := a.codesOn(); err != nil {
		return err
	}
	if middleware.Session(c).SignedIn() {
		middleware.SeeOther(c, "/account")
		return nil
	}
	asked := kept(c, keptCode) != "" && c.Query("new") == ""
	return a.drawCode(c, ok200, codeTyped{kept(c, keptCodeLogin), asked}, none)
}

// code answers POST /login/emailcode: with a name it asks for a code, and the
// next page is the same for every name; with a code it signs in.
func (a *app) code(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "username", "code", workField)
	if err == nil {
		err = a.codesOn()
	}
	switch {
	case err != nil:
		return err
	case form.Has("code") && kept(c, keptCode) != "":
		return a.loginByCode(c, form.Get("code"))
	}
	a.takeWork(c, form)
	login := form.Get("username")
	attempt, err := a.Accounts.SendCode(c.Request.Context(), login, a.by(c))
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawCode(c, status, codeTyped{Login: login}, p) })
	}
	s := sessions.Default(c)
	s.Set(keptCode, attempt.Reveal())
	s.Set(keptCodeLogin, login)
	if err := s.Save(); err != nil {
		return err
	}
	middleware.SeeOther(c, "/login/emailcode")
	return nil
}

func (a *app) loginByCode(c *gin.Context, code string) error {
	page := codeTyped{kept(c, keptCodeLogin), true}
	err := required("code", code)
	next := ""
	if err == nil {
		next, err = a.loginBrowser(c, byCode(kept(c, keptCode), code), "")
	}
	switch {
	case errors.Is(err, errNext):
		middleware.SeeOther(c, next)
		return nil
	case err != nil:
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawCode(c, status, page, p) })
	}
	middleware.SeeOther(c, "/account")
	return nil
}

type codeBeginBody struct {
	Username string `json:"username"`
}

// apiCodeBegin answers POST /api/v1/login/emailcode/begin: 202 whoever that is.
func (a *app) apiCodeBegin(c *gin.Context) error {
	var in codeBeginBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := a.codesOn(); err != nil {
		return err
	}
	attempt, err := a.Accounts.SendCode(c.Request.Context(), in.Username, a.by(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, attemptJSON{attempt.Reveal()})
	return nil
}

type mailedCodeBody struct {
	Attempt string `json:"attempt"`
	Code    string `json:"code"`
}

// apiCode answers POST /api/v1/login/emailcode.
func (a *app) apiCode(c *gin.Context) error {
	var in mailedCodeBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := a.codesOn(); err != nil {
		return err
	}
	if err := required("attempt", in.Attempt, "code", in.Code); err != nil {
		return err
	}
	return a.programIn(c, byCode(in.Attempt, in.Code))
}
