package handlers

import (
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/secrets"
	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/signin"
)

// What the anonymous session of a browser remembers of half a sign-in. The row
// is sealed, has a new id since the first factor, and dies with the second.
const (
	keptSignIn   = "signin_attempt"
	keptReturnTo = "signin_return_to"
)

// halfOf makes what that session holds.
func halfOf(returnTo string) func(secrets.Raw) []byte {
	return func(attempt secrets.Raw) []byte {
		return websession.DataKeeping(map[string]string{keptSignIn: attempt.Reveal(), keptReturnTo: returnTo})
	}
}

// stepPage is the page of a method that a sign-in goes on with.
func stepPage(method string) string { return "/login/" + method }

// waiting is the sign-in that this browser has begun. A browser that has none,
// or whose method is not among those wanted, is sent where it can go on: ok is
// false and the answer is written.
func (a *app) waiting(c *gin.Context, method string) (w signin.Waiting, ok bool, err error) {
	w, err = a.SignIn.Waiting(c.Request.Context(), kept(c, keptSignIn), true)
	switch {
	case signin.ErrAttempt.Is(err):
		return w, false, a.beginAgain(c)
	case err != nil:
		return w, false, err
	}
	for _, name := range w.Next {
		if name == method {
			return w, true, nil
		}
	}
	if len(w.Next) == 0 {
		return w, false, a.beginAgain(c)
	}
	middleware.SeeOther(c, stepPage(w.Next[0]))
	return w, false, nil
}

// beginAgain leads to the first page of a sign-in. A message is left only where
// there was a session already: a stranger's visit makes no row.
func (a *app) beginAgain(c *gin.Context) error {
	if s := middleware.Session(c); s.SignedIn() || s == nil {
		middleware.SeeOther(c, "/login")
		return nil
	}
	return a.done(c, news("warn", "attempt_ended"), "/login")
}

// otherWays are the methods that a page offers besides its own.
func otherWays(next []string, method string) []string {
	var ways []string
	for _, name := range next {
		if name != method {
			ways = append(ways, name)
		}
	}
	return ways
}

// stepBrowser takes the second factor of a browser and sends it on; draw shows
// the page again with what was wrong.
func (a *app) stepBrowser(c *gin.Context, in signin.Step, draw func(status int, p middleware.Problem) error) error {
	back := kept(c, keptReturnTo)
	in.Attempt, in.Web, in.Client = kept(c, keptSignIn), true, a.byBrowser(c)
	in.Anonymous, in.Data = middleware.Session(c), websession.DataWith(good("signed_in"))
	done, err := a.SignIn.Continue(c.Request.Context(), in)
	switch {
	case errors.Is(err, signin.ErrMustChange):
		return a.toNewPassword(c, done, err)
	case signin.ErrAttempt.Is(err):
		return a.beginAgain(c)
	case err != nil:
		return a.mistake(c, middleware.WithCode("invalid_credentials", err), draw)
	}
	websession.Adopt(c, done.Session)
	a.keepDevice(c, done.Browser)
	a.tellKept(c, done.User)
	middleware.SeeOther(c, or(middleware.LocalPath(back, ""), "/account"))
	return nil
}

// toNewPassword leads to the page on which a password is changed that opens
// nothing any more.
func (a *app) toNewPassword(c *gin.Context, done signin.Result, why error) error {
	address, err := a.changeFirst(c, done, why)
	if !errors.Is(err, signin.ErrMustChange) {
		return err
	}
	middleware.SeeOther(c, address)
	return nil
}

// stepProgram takes the second factor of a program.
func (a *app) stepProgram(c *gin.Context, in signin.Step) error {
	in.Client = a.by(c)
	done, err := a.SignIn.Continue(c.Request.Context(), in)
	if err != nil {
		return middleware.WithCode("invalid_credentials", err)
	}
	return ok(c, a.tokenAnswer(done))
}
