package handlers

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/secrets"
	"gatehouse/middleware"
	"gatehouse/templates"
	"gatehouse/tokens"
)

const (
	// workHeader carries the answer of a program.
	workHeader = "Gatehouse-Proof-Of-Work"
	// workField carries that of a form.
	workField = "work"
	// browserPrefix begins the value by which a browser is held to its own
	// challenge. The cookie lives a little longer than one.
	browserPrefix = "gh_wb_"
	browserAge    = 10 * 60
)

// formWork is what a form brought along, kept for the rest of the request.
type formWork struct {
	shown tokens.Work
	fresh bool // the browser has no cookie yet
}

type workKey struct{}

// takeWork reads what a form brings along as a proof of work. A form that had a
// challenge in it and comes back without an answer was sent without script.
func (a *app) takeWork(c *gin.Context, form middleware.Form) {
	w := a.browserWork(c)
	w.shown.Answer = form.Get(workField)
	w.shown.Scriptless = form.Has(workField) && w.shown.Answer == ""
	c.Set(workKey{}, w)
}

// browserWork finds the value of a browser, or makes one for a browser that has
// none; it is set with the challenge that it is for.
func (a *app) browserWork(c *gin.Context) formWork {
	if w, ok := c.Get(workKey{}); ok {
		return w.(formWork)
	}
	w := formWork{shown: tokens.Work{Browser: a.workCookie(c)}}
	if w.shown.Browser == "" {
		w.shown.Browser, w.fresh = secrets.NewToken(browserPrefix).Reveal(), true
	}
	c.Set(workKey{}, w)
	return w
}

// shownWork is what came with a request: in a form, or in the header.
func (a *app) shownWork(c *gin.Context) tokens.Work {
	if w, ok := c.Get(workKey{}); ok {
		return w.(formWork).shown
	}
	return tokens.Work{Browser: a.workCookie(c), Answer: c.Request.Header.Get(workHeader)}
}

func (a *app) workCookieName() (name string, secure bool) {
	if strings.HasPrefix(a.Config.AppURL, "https://") {
		return "__Host-gatehouse_work", true
	}
	return "gatehouse_work", false
}

func (a *app) workCookie(c *gin.Context) string {
	name, _ := a.workCookieName()
	cookie, err := c.Request.Cookie(name)
	if err != nil || len(cookie.Value) > 64 || !strings.HasPrefix(cookie.Value, browserPrefix) {
		return ""
	}
	return cookie.Value
}

// work is what a form that is shown to a stranger asks for: what the refusal
// says, or under pressure a challenge from the start, so that it is solved while
// somebody types. A browser that may be known for an account gets none before
// it is known for which.
func (a *app) work(c *gin.Context, purpose string, p middleware.Problem) *templates.Work {
	view := &templates.Work{}
	switch {
	case p.Work != nil:
		view.Challenge, view.Bits, view.Ticket = p.Work.Challenge.Text, p.Work.Challenge.Bits, p.Work.Ticket
	case !a.by(c).Browser.IsZero():
		return nil
	default:
		a.browserWork(c)
		challenge := a.SignIn.Challenge(purpose, a.by(c))
		if challenge == nil {
			return nil
		}
		view.Challenge, view.Bits = challenge.Text, challenge.Bits
	}
	a.keepWorkCookie(c)
	return view
}

// keepWorkCookie leaves the value with a browser that has none. It opens
// nothing: a challenge is good only where it was given.
func (a *app) keepWorkCookie(c *gin.Context) {
	w := a.browserWork(c)
	if !w.fresh {
		return
	}
	name, secure := a.workCookieName()
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Value: w.shown.Browser, Path: "/", MaxAge: browserAge, Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
