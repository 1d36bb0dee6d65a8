package handlers

import (
	"net/http"
	"net/url"
	"time"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/templates"
)

// draw writes a page. Nothing is written when it cannot be drawn, so that the
// failure has a page of its own.
func (a *app) draw(c *gin.Context, status int, page string, view any) error {
	c.Status(status)
	return a.Pages.Render(c.Writer, page, a.web.Lang(c), view)
}

// layout is what stands around a page. u is whose page it is; nil for nobody.
// It takes the flash messages, so it is called once for each page.
func (a *app) layout(c *gin.Context, u *models.User) templates.Layout {
	l := a.bareLayout(c)
	l.User = who(u)
	l.Flash = a.takeFlashes(c)
	return l
}

// bareLayout takes nothing from the session: error pages use it, so that a
// message waits for the page it was meant for.
func (a *app) bareLayout(c *gin.Context) templates.Layout {
	path := c.Request.URL.Path
	if path == "/" && c.Request.Method == post {
		path = "/login"
	}
	return templates.Layout{
		Path: path, Query: withoutLang(c.Request.URL), Operator: a.Config.Operator, Now: a.now(),
	}
}

func (a *app) now() time.Time { return a.Clock().UTC() }

// withoutLang is the query for the links of the language switch, which put
// their own choice into it.
func withoutLang(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	q := u.Query()
	q.Del("lang")
	return q.Encode()
}

func who(u *models.User) *templates.Who {
	if u == nil {
		return nil
	}
	w := &templates.Who{Name: u.Name, Login: loginName(u), Invites: accounts.Permits(u.Roles, accounts.PermitInvite),
		Audits: accounts.Permits(u.Roles, accounts.PermitAudit), Counts: accounts.Permits(u.Roles, accounts.PermitFactors)}
	if w.Name == "" {
		w.Name = w.Login
	}
	return w
}

// takeFlashes takes the messages that the last request left. When the session
// ended meanwhile they cannot be marked as seen, and nobody will see them twice.
func (a *app) takeFlashes(c *gin.Context) []templates.Flash {
	s := sessions.Default(c)
	list, changed := websession.Flashes(s)
	if !changed {
		return nil
	}
	if err := s.Save(); err != nil {
		a.Log.DebugContext(c.Request.Context(), "flashes not marked as seen", "request_id", a.web.RequestID(c), "error", err)
	}
	out := make([]templates.Flash, len(list))
	for i, f := range list {
		out[i] = a.Pages.Flash(a.web.Lang(c), templates.Kind(f.Kind), f.Key, f.Params)
	}
	return out
}

// formOf is what was typed and what was wrong with it.
func formOf(p middleware.Problem, pairs ...string) templates.Form {
	typed := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		typed[pairs[i]] = pairs[i+1]
	}
	if p.Status == 0 {
		return templates.NewForm(typed, templates.Mistake{})
	}
	return templates.NewForm(typed, templates.Mistake{
		Reason: p.Reason, Text: p.Text, Fields: p.Fields, Throttled: p.Status == http.StatusTooManyRequests,
	})
}

// errorPage draws a failure; the middleware writes it.
func (a *app) errorPage(c *gin.Context, p middleware.Problem) ([]byte, error) {
	view := templates.ErrorView{
		Layout: a.bareLayout(c), Status: p.Status, Reason: p.Reason, Title: p.Title, Text: p.Text,
		RequestID: p.RequestID, RetryAfter: p.Wait,
	}
	if middleware.Session(c).SignedIn() {
		view.User = &templates.Who{} // for the way back; a name would cost a read that may fail too
	}
	// Only what passes by itself is worth another try.
	if c.Request.Method == get && p.Status >= 429 {
		view.Retry = middleware.LocalPath(c.Request.URL.RequestURI(), "")
	}
	return a.Pages.Page(templates.PageError, a.web.Lang(c), view)
}
