package handlers

import (
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
)

// What a signed-in session remembers of a change of address.
const (
	keptEmailAttempt = "email_attempt"
	keptNewEmail     = "email_new"
)

// emailForm answers GET /account/email.
func (a *app) emailForm(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return a.drawEmail(c, ok200, u, "", none)
}

// email answers POST /account/email. The next page is the same whether or not
// somebody has the address.
func (a *app) email(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "email")
	if err != nil {
		return err
	}
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	typed := form.Get("email")
	attempt, err := a.Accounts.ChangeEmail(c.Request.Context(), s.Proof(), typed, a.by(c))
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawEmail(c, status, u, typed, p) })
	}
	kept := sessions.Default(c)
	kept.Set(keptEmailAttempt, attempt.Reveal())
	kept.Set(keptNewEmail, typed)
	if err := kept.Save(); err != nil {
		return err
	}
	middleware.SeeOther(c, "/account/email/verify")
	return nil
}

// emailVerifyForm answers GET /account/email/verify: the code in the session
// that asked, or the button behind the mailed link. It consumes nothing. Being
// signed in as the person who asked is what a scanner of mail lacks.
func (a *app) emailVerifyForm(c *gin.Context) error {
	token := c.Query("token")
	if token == "" && kept(c, keptEmailAttempt) == "" {
		middleware.SeeOther(c, "/account/email")
		return nil
	}
	return a.emailVerifyPage(c, ok200, token, none)
}

func (a *app) emailVerifyPage(c *gin.Context, status int, token string, p middleware.Problem) error {
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	email := kept(c, keptNewEmail)
	if token != "" {
		if email, err = a.Accounts.PeekEmail(c.Request.Context(), s.UserID, token); err != nil {
			return ended(err)
		}
	}
	return a.drawEmailVerify(c, status, u, emailTyped{token, email}, p)
}

// emailTyped is what the page of a confirmation shows.
type emailTyped struct{ Token, Email string }

// emailVerify answers POST /account/email/verify.
func (a *app) emailVerify(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "token", "code")
	if err != nil {
		return err
	}
	proof := accounts.EmailProof{
		Token: form.Get("token"), Attempt: kept(c, keptEmailAttempt), Code: form.Get("code"), Client: a.by(c),
	}
	if proof.Token == "" && proof.Attempt == "" {
		middleware.SeeOther(c, "/account/email")
		return nil
	}
	s := middleware.Session(c)
	if err := a.Accounts.ConfirmEmail(c.Request.Context(), s.UserID, proof); err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error {
			return a.emailVerifyPage(c, status, proof.Token, p)
		})
	}
	memory := sessions.Default(c)
	memory.Delete(keptEmailAttempt)
	memory.Delete(keptNewEmail)
	return a.done(c, good("email_changed"), "/account/profile")
}
