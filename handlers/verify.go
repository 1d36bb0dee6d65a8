package handlers

import (
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/middleware"
)

// verifyTyped is what the page of a confirmation shows: the code form of the
// browser that signed up, or the button behind a mailed link.
type verifyTyped struct {
	Token, Email, Username string
	// AskPassword is for a link that is opened in another browser (rule 14).
	AskPassword bool
	// AskUsername is for a name that somebody else took meanwhile.
	AskUsername bool
}

// verifyForm answers GET /verify. It consumes nothing: mail scanners follow
// links.
func (a *app) verifyForm(c *gin.Context) error {
	if token := c.Query("token"); token != "" {
		page, err := a.behindLink(c, token)
		if err != nil {
			return ended(err)
		}
		return a.drawVerify(c, ok200, page, none)
	}
	if kept(c, keptAttempt) == "" {
		middleware.SeeOther(c, "/register")
		return nil
	}
	return a.drawVerify(c, ok200, verifyTyped{Email: kept(c, keptEmail)}, none)
}

func (a *app) behindLink(c *gin.Context, token string) (verifyTyped, error) {
	ctx := c.Request.Context()
	peek, err := a.Accounts.PeekVerify(ctx, token)
	if err != nil {
		return verifyTyped{}, err
	}
	same, err := a.Accounts.OwnsVerify(ctx, token, kept(c, keptAttempt))
	return verifyTyped{Token: token, Email: peek.Email, Username: peek.Username, AskPassword: !same}, err
}

// verify answers POST /verify.
func (a *app) verify(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "token", "code", "password", "username")
	if err != nil {
		return err
	}
	in := accounts.VerifyInput{
		Attempt: kept(c, keptAttempt), Token: form.Get("token"), Code: form.Get("code"),
		Password: form.Get("password"), Username: form.Get("username"), Client: a.by(c),
	}
	if _, err := a.Accounts.Verify(c.Request.Context(), in); err != nil {
		return a.verifyAgain(c, in, form.Has("username"), err)
	}
	s := sessions.Default(c)
	s.Delete(keptAttempt)
	s.Delete(keptEmail)
	return a.done(c, good("verified"), "/login")
}

// verifyAgain draws the page that the form came from.
func (a *app) verifyAgain(c *gin.Context, in accounts.VerifyInput, named bool, cause error) error {
	return a.mistake(c, cause, func(status int, p middleware.Problem) error {
		page := verifyTyped{Email: kept(c, keptEmail)}
		if in.Token != "" {
			var err error
			if page, err = a.behindLink(c, in.Token); err != nil {
				return ended(err)
			}
		}
		_, taken := p.Fields["username"]
		page.AskUsername = named || taken
		if named {
			page.Username = in.Username
		}
		return a.drawVerify(c, status, page, p)
	})
}

// verifyResend answers POST /verify/resend.
func (a *app) verifyResend(c *gin.Context) error {
	attempt := kept(c, keptAttempt)
	if attempt == "" {
		middleware.SeeOther(c, "/register")
		return nil
	}
	if err := a.Accounts.Resend(c.Request.Context(), attempt, a.by(c)); err != nil {
		return ended(err)
	}
	return a.done(c, good("code_sent"), "/verify")
}

func kept(c *gin.Context, key string) string {
	text, _ := sessions.Default(c).Get(key).(string)
	return text
}

// ended says of a page behind a link that it is gone (RFC 9110, section
// 15.5.11): there is no form whose mistake it could be.
func ended(err error) error {
	switch apperr.Reason(err) {
	case "link_ended", "setup_done":
		return apperr.Wrap(apperr.Expired, apperr.Reason(err), err)
	}
	return err
}
