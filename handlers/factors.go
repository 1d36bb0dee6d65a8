package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// The pages that change second factors. Each asks for a fresh proof, at least
// as strong as what the account has: a guard asks for it, and the room does too.

const securityPage = "/account/security"

// totpForm answers GET /account/security/totp: what is about to happen. The
// seed is made by the button, because a visit must change nothing.
func (a *app) totpForm(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return a.drawTOTP(c, ok200, u, nil, none)
}

// totp answers POST /account/security/totp: without a code it shows a fresh
// seed, with one it confirms it.
func (a *app) totp(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "code")
	if err != nil {
		return err
	}
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	if form.Has("code") {
		return a.confirmTOTP(c, s, u, form.Get("code"))
	}
	seed, err := a.SignIn.EnrolTOTP(c.Request.Context(), s.Proof())
	if err != nil {
		return err
	}
	return a.drawTOTP(c, ok200, u, &seed, none)
}

func (a *app) confirmTOTP(c *gin.Context, s *tokens.Session, u *models.User, code string) error {
	codes, started, err := a.SignIn.ConfirmTOTP(c.Request.Context(), signin.Confirm{
		Proof: s.Proof(), Browser: s, Code: code, Client: a.by(c),
	})
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error {
			return a.drawTOTP(c, status, u, &signin.Enrolment{}, p) // a seed is shown once
		})
	}
	websession.Adopt(c, started)
	if len(codes) == 0 {
		return a.done(c, good("totp_on"), securityPage)
	}
	return a.drawCodes(c, u, "totp_on", codes, securityPage)
}

// removeTOTP answers POST /account/security/totp/remove.
func (a *app) removeTOTP(c *gin.Context) error {
	err := a.SignIn.RemoveTOTP(c.Request.Context(), middleware.Proof(c), a.by(c))
	if err != nil {
		return err
	}
	return a.done(c, good("totp_off"), securityPage)
}

// newCodes answers POST /account/security/recovery: ten fresh codes, on the
// answer itself. A secret that is shown once is never parked in the session.
func (a *app) newCodes(c *gin.Context) error {
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	codes, err := a.SignIn.NewCodes(c.Request.Context(), s.Proof(), a.by(c))
	if err != nil {
		return err
	}
	return a.drawCodes(c, u, "recovery_on", codes, securityPage)
}

// backToSecurity answers a GET below /account/security that only a POST has an
// answer for: it is where a browser lands after it proved itself again.
func (a *app) backToSecurity(c *gin.Context) error {
	middleware.SeeOther(c, securityPage)
	return nil
}
