package handlers

import (
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// reauthForm answers GET /account/reauth: one factor once more, before
// something that asks for a fresh proof. "method" is another way than the first.
func (a *app) reauthForm(c *gin.Context) error {
	back := middleware.LocalPath(c.Query("return_to"), "/account")
	return a.reauthPage(c, ok200, reauthTyped{back, c.Query("method")}, none)
}

// reauthTyped is where the page leads and which method it asks for.
type reauthTyped struct{ Back, Method string }

func (a *app) reauthPage(c *gin.Context, status int, typed reauthTyped, p middleware.Problem) error {
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	ways, err := a.SignIn.Ways(c.Request.Context(), s)
	if err != nil {
		return err
	}
	switch {
	case len(ways) == 0:
		typed.Method = ""
	case !slices.Contains(ways, typed.Method):
		typed.Method = ways[0]
	}
	return a.drawReauth(c, status, u, typed, otherWays(ways, typed.Method), p)
}

// reauth answers POST /account/reauth.
func (a *app) reauth(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "method", "password", "code", "credential", "return_to")
	if err != nil {
		return err
	}
	typed := reauthTyped{Back: middleware.LocalPath(form.Get("return_to"), "/account")}
	proof, err := reproofTyped(form)
	typed.Method = proof.Method
	if err == nil {
		_, err = a.prove(c, middleware.Session(c), proof)
		err = wrongPassword("password", err)
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.reauthPage(c, status, typed, p) })
	}
	return a.reproved(c, typed.Back)
}

// reproofTyped is the method of a proof and what was shown: without a method,
// the one whose field there is.
func reproofTyped(form middleware.Form) (signin.Reproof, error) {
	r := signin.Reproof{Method: form.Get("method"), Secret: form.Get("code")}
	switch {
	case r.Method == "passkey", r.Method == "" && form.Has("credential"):
		answer := &signin.PasskeyAnswer{Credential: []byte(form.Get("credential"))}
		return signin.Reproof{Method: "passkey", Response: answer}, nil
	case r.Method == "" && form.Has("code"):
		r.Method = "totp"
	case r.Method == "", r.Method == "password":
		r.Method, r.Secret = "password", form.Get("password")
		return r, required("password", r.Secret)
	}
	return r, required("code", r.Secret)
}

// reproved goes on after a proof: with the next factor while the account wants
// one more, with the form that was refused for want of it, or where one was.
func (a *app) reproved(c *gin.Context, back string) error {
	done, err := a.web.Proved(c)
	switch pending, waits := a.web.PendingForm(c); {
	case err != nil:
		return err
	case !done:
		middleware.SeeOther(c, middleware.ReauthPage+"?return_to="+url.QueryEscape(back))
		return nil
	case waits && pending.Path == back:
		middleware.SeeOther(c, "/account/reauth/continue")
		return nil
	}
	return a.done(c, good("reproved"), back)
}

// continueForm answers GET /account/reauth/continue: the form that was refused,
// behind a button. A redirect cannot repeat a POST, and what changes an account
// must not happen without a person who presses something.
func (a *app) continueForm(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	pending, waits := a.web.PendingForm(c)
	if !waits {
		middleware.SeeOther(c, "/account")
		return nil
	}
	return a.drawContinue(c, u, pending)
}

// prove takes one factor once more and gives the browser a new cookie (rule 9),
// whatever becomes of that for which the proof is.
func (a *app) prove(c *gin.Context, s *tokens.Session, r signin.Reproof) (tokens.Proof, error) {
	r.User, r.Session, r.Browser, r.Client = s.UserID, s.ID, s, a.by(c)
	proof, started, err := a.SignIn.Reauth(c.Request.Context(), r)
	if err == nil {
		websession.Renew(c, started)
	}
	return proof, err
}

// wrongPassword blames the one field that was asked for. Who is signed in typed
// no name, and the words of the sign-in would have them look for it. The words
// tell nothing that a stranger could ask for: the account is known already.
func wrongPassword(field string, err error) error {
	if apperr.Reason(err) != "invalid_credentials" {
		return err
	}
	return apperr.From(err).WithField(field, apperr.Field{Reason: "wrong"})
}
