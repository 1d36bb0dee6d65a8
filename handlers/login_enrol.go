package handlers

import (
	"encoding/json"
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/signin"
)

// The step of a sign-in in which a second factor is made, because the policy
// asks for one and the account has none.

// enrolForm answers GET /login/enrol. It changes nothing.
func (a *app) enrolForm(c *gin.Context) error {
	w, here, err := a.waiting(c, signin.Enrol)
	if err != nil || !here {
		return err
	}
	return a.drawEnrol(c, ok200, enrolDrawing{offer: a.SignIn.MayEnrolPasskey(w)}, none)
}

// enrol answers POST /login/enrol: without a code it shows a fresh seed, with
// one, or with a new passkey, it keeps the factor and opens the session.
func (a *app) enrol(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "code", "credential")
	if err != nil {
		return err
	}
	switch {
	case form.Has("credential"):
		return a.confirmFirst(c, signin.Step{Response: &signin.NewPasskey{Credential: []byte(form.Get("credential"))}})
	case form.Has("code"):
		return a.confirmFirst(c, signin.Step{Secret: form.Get("code")})
	}
	if _, here, err := a.waiting(c, signin.Enrol); err != nil || !here {
		return err
	}
	seed, err := a.SignIn.EnrolFirst(c.Request.Context(), kept(c, keptSignIn), true, a.by(c))
	if err != nil {
		return err
	}
	return a.drawEnrol(c, ok200, enrolDrawing{seed: &seed}, none)
}

// enrolPasskeyBegin answers POST /login/enrol/passkey/begin to the script.
func (a *app) enrolPasskeyBegin(c *gin.Context) error {
	if _, err := middleware.ParseForm(c.Request, "credential"); err != nil {
		return err
	}
	return options(c, "")(a.SignIn.BeginFirstPasskey(c.Request.Context(), kept(c, keptSignIn), true, a.by(c)))
}

func (a *app) confirmFirst(c *gin.Context, in signin.Step) error {
	back := or(middleware.LocalPath(kept(c, keptReturnTo), ""), "/account")
	in.Attempt, in.Web, in.Client = kept(c, keptSignIn), true, a.byBrowser(c)
	in.Anonymous, in.Data = middleware.Session(c), websession.DataWith(good("totp_on"))
	if in.Response != nil {
		in.Data = websession.DataWith(good("signed_in"))
	}
	done, codes, err := a.SignIn.ConfirmFirst(c.Request.Context(), in)
	switch {
	case errors.Is(err, signin.ErrMustChange):
		return a.toNewPassword(c, done, err)
	case signin.ErrAttempt.Is(err), signin.ErrNotNext.Is(err):
		return a.beginAgain(c)
	case err != nil:
		return a.mistake(c, err, func(status int, p middleware.Problem) error {
			return a.enrolAgain(c, status, in, p)
		})
	}
	websession.Adopt(c, done.Session)
	a.keepDevice(c, done.Browser)
	a.tellKept(c, done.User)
	return a.drawCodes(c, done.User, "", codes, back)
}

// enrolAgain shows what is wrong: beside the field of the code, for a seed that
// was shown once, or above both ways, after a passkey that was not taken.
func (a *app) enrolAgain(c *gin.Context, status int, in signin.Step, p middleware.Problem) error {
	if in.Response == nil {
		return a.drawEnrol(c, status, enrolDrawing{seed: &signin.Enrolment{}}, p)
	}
	return a.drawEnrol(c, status, enrolDrawing{offer: true}, p)
}

type enrolBody struct {
	Attempt string `json:"attempt"`
}

// apiEnrol answers POST /api/v1/login/enrol.
func (a *app) apiEnrol(c *gin.Context) error {
	var in enrolBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("attempt", in.Attempt); err != nil {
		return err
	}
	seed, err := a.SignIn.EnrolFirst(c.Request.Context(), in.Attempt, false, a.by(c))
	if err != nil {
		return middleware.WithCode("invalid_credentials", err)
	}
	return ok(c, seedOf(seed))
}

// apiConfirmFirst answers POST /api/v1/login/enrol/confirm.
func (a *app) apiConfirmFirst(c *gin.Context) error {
	var in stepBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("attempt", in.Attempt, "code", in.Code); err != nil {
		return err
	}
	return a.confirmProgram(c, signin.Step{Attempt: in.Attempt, Secret: in.Code})
}

// apiEnrolPasskeyBegin answers POST /api/v1/login/enrol/passkey/begin.
func (a *app) apiEnrolPasskeyBegin(c *gin.Context) error {
	var in enrolBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("attempt", in.Attempt); err != nil {
		return err
	}
	asked, err := a.SignIn.BeginFirstPasskey(c.Request.Context(), in.Attempt, false, a.by(c))
	return options(c, in.Attempt)(asked, middleware.WithCode("invalid_credentials", err))
}

type enrolPasskeyBody struct {
	Attempt    string          `json:"attempt"`
	Credential json.RawMessage `json:"credential"`
	Name       string          `json:"name"`
}

// apiEnrolPasskey answers POST /api/v1/login/enrol/passkey.
func (a *app) apiEnrolPasskey(c *gin.Context) error {
	var in enrolPasskeyBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("attempt", in.Attempt, "credential", string(in.Credential)); err != nil {
		return err
	}
	return a.confirmProgram(c, signin.Step{Attempt: in.Attempt, Response: &signin.NewPasskey{Credential: in.Credential, Name: in.Name}})
}

// confirmProgram takes the new factor of a program.
func (a *app) confirmProgram(c *gin.Context, in signin.Step) error {
	in.Client = a.by(c)
	done, codes, err := a.SignIn.ConfirmFirst(c.Request.Context(), in)
	if err != nil {
		return middleware.WithCode("invalid_credentials", err)
	}
	answer := a.tokenAnswer(done)
	answer.RecoveryCodes = codes
	return ok(c, answer)
}
