package handlers

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/signin"
)

const ok200 = http.StatusOK

// none is a page without a mistake.
var none middleware.Problem

// loginTyped is what stays in the form after a mistake: never the password.
// Unknown is a passkey that nobody has here any more.
type loginTyped struct{ Username, ReturnTo, Unknown string }

// loginForm answers GET /login. It writes nothing.
func (a *app) loginForm(c *gin.Context) error {
	back := middleware.LocalPath(c.Query("return_to"), "")
	if middleware.Session(c).SignedIn() {
		middleware.SeeOther(c, or(back, "/account"))
		return nil
	}
	return a.drawLogin(c, ok200, loginTyped{ReturnTo: back}, none)
}

// login answers POST /login.
func (a *app) login(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "username", "password", "return_to", workField)
	if err != nil {
		return err
	}
	in := loginBody{Username: form.Get("username"), Password: form.Get("password")}
	if middleware.WantsJSON(c) {
		return a.loginProgram(c, in)
	}
	a.takeWork(c, form)
	typed := loginTyped{Username: in.Username, ReturnTo: middleware.LocalPath(form.Get("return_to"), "")}
	attempt, err := a.loginBrowser(c, signin.Input{Login: in.Username, Password: in.Password}, typed.ReturnTo)
	return a.loggedIn(c, attempt, typed, err)
}

// loggedIn answers the form of a first step.
func (a *app) loggedIn(c *gin.Context, attempt string, typed loginTyped, err error) error {
	if errors.Is(err, errNext) {
		middleware.SeeOther(c, attempt)
		return nil
	}
	if errors.Is(err, signin.ErrNotVerified) {
		return a.awaitCode(c, attempt, "")
	}
	if errors.Is(err, signin.ErrMustChange) {
		middleware.SeeOther(c, attempt)
		return nil
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawLogin(c, status, typed, p) })
	}
	middleware.SeeOther(c, or(typed.ReturnTo, "/account"))
	return nil
}

// loginBrowser starts a session with a new id; the one that the browser came
// with, anonymous or not, ends in the same transaction (rule 9). With the right
// password of an address that is not confirmed it returns the attempt of the
// mail that has just left; with one that has to be changed, or when a second
// factor is wanted, the address of the page for it.
func (a *app) loginBrowser(c *gin.Context, in signin.Input, returnTo string) (attempt string, err error) {
	in.Web, in.Client, in.Half = true, a.byBrowser(c), halfOf(returnTo)
	in.Anonymous, in.Data = middleware.Session(c), websession.DataWith(good("signed_in"))
	done, err := a.SignIn.SignIn(c.Request.Context(), in)
	if errors.Is(err, signin.ErrMustChange) {
		return a.changeFirst(c, done, err)
	}
	if err != nil {
		return done.Attempt.Reveal(), err
	}
	websession.Adopt(c, done.Session)
	if len(done.Next) > 0 {
		return stepPage(done.Next[0]), errNext
	}
	a.keepDevice(c, done.Browser)
	a.tellKept(c, done.User)
	if in.Method == "" {
		a.offerPasskey(c, done)
	}
	return "", nil
}

// errNext says that a sign-in goes on with a second factor.
var errNext = errors.New("handlers: a second factor is wanted")

// changeFirst makes the address of the page where a password is changed before
// it opens anything. Who is sent there has just typed the right one, which is
// what a change asks for.
func (a *app) changeFirst(c *gin.Context, done signin.Result, why error) (address string, err error) {
	link, err := a.Accounts.ResetLink(c.Request.Context(), done.User.ID, a.by(c))
	if err != nil {
		return "", err
	}
	return link.Reveal(), why
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
