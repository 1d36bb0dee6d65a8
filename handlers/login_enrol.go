package handlers

import (
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
	if _, here, err := a.waiting(c, signin.Enrol); err != nil || !here {
		return err
	}
	return a.drawEnrol(c, ok200, nil, none)
}

// enrol answers POST /login/enrol: without a code it shows a fresh seed, with
// one it confirms it and opens the session.
func (a *app) enrol(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "code")
	if err != nil {
		return err
	}
	if form.Has("code") {
		return a.confirmFirst(c, form.Get("code"))
	}
	if _, here, err := a.waiting(c, signin.Enrol); err != nil || !here {
		return err
	}
	seed, err := a.SignIn.EnrolFirst(c.Request.Context(), kept(c, keptSignIn), true, a.by(c))
	if err != nil {
		return err
	}
	return a.drawEnrol(c, ok200, &seed, none)
}

func (a *app) confirmFirst(c *gin.Context, code string) error {
	back, device := or(middleware.LocalPath(kept(c, keptReturnTo), ""), "/account"), a.deviceOf(c)
	done, codes, err := a.SignIn.ConfirmFirst(c.Request.Context(), signin.Step{
		Attempt: kept(c, keptSignIn), Secret: code, Web: true, Client: a.by(c), Device: device,
		Anonymous: middleware.Session(c), Data: websession.DataWith(good("totp_on")),
	})
	switch {
	case errors.Is(err, signin.ErrMustChange):
		return a.toNewPassword(c, done, err)
	case signin.ErrAttempt.Is(err), signin.ErrNotNext.Is(err):
		return a.beginAgain(c)
	case err != nil:
		return a.mistake(c, err, func(status int, p middleware.Problem) error {
			return a.drawEnrol(c, status, &signin.Enrolment{}, p)
		})
	}
	websession.Adopt(c, done.Session)
	a.keepDevice(c, device)
	a.tellKept(c, done.User)
	return a.drawCodes(c, done.User, "", codes, back)
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
	done, codes, err := a.SignIn.ConfirmFirst(c.Request.Context(), signin.Step{Attempt: in.Attempt, Secret: in.Code, Client: a.by(c)})
	if err != nil {
		return middleware.WithCode("invalid_credentials", err)
	}
	answer := a.tokenAnswer(done)
	answer.RecoveryCodes = codes
	return ok(c, answer)
}
