package handlers

import (
	"net/http"
	"time"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/models"
)

// closePage answers GET /account/close: what closing means, and the button.
func (a *app) closePage(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return a.drawClose(c, u)
}

// closeAccount answers POST /account/close. Every session has ended by then,
// this one included, so the message waits in a session of nobody's.
func (a *app) closeAccount(c *gin.Context) error {
	if _, err := middleware.ParseForm(c.Request); err != nil {
		return err
	}
	at, err := a.Accounts.CloseAccount(c.Request.Context(), middleware.Proof(c), a.by(c))
	if err != nil {
		return err
	}
	websession.Restart(c, news("warn", "account_closed", "Date", a.date(c, at)))
	middleware.SeeOther(c, "/login")
	return nil
}

func (a *app) date(c *gin.Context, at time.Time) string {
	return a.Pages.Date(a.web.Lang(c), a.now(), at)
}

// tellKept says after a sign-in that it has taken the closing of the account
// back. A message that cannot be kept is no reason to refuse the sign-in; a
// mail says the same.
func (a *app) tellKept(c *gin.Context, u *models.User) {
	if u.EraseAt.IsZero() {
		return
	}
	s := sessions.Default(c)
	websession.AddFlash(s, good("account_kept", "Date", a.date(c, u.EraseAt.Time)))
	if err := s.Save(); err != nil {
		a.Log.DebugContext(c.Request.Context(), "flash lost", "request_id", a.web.RequestID(c), "error", err)
	}
}

// closedJSON says until when a sign-in takes a closing back.
type closedJSON struct {
	EraseAt string `json:"erase_at"`
}

// apiCloseAccount answers DELETE /api/v1/me: accepted now, done in two weeks
// (RFC 9110, section 15.3.3).
func (a *app) apiCloseAccount(c *gin.Context) error {
	if err := middleware.DecodeOptionalJSON(c.Request, &struct{}{}); err != nil {
		return err
	}
	at, err := a.Accounts.CloseAccount(c.Request.Context(), middleware.Proof(c), a.by(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, closedJSON{stamp(at)})
	return nil
}
