package handlers

import (
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/templates"
	"gatehouse/tokens"
)

// sessions answers GET /account/sessions.
func (a *app) sessions(c *gin.Context) error {
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	list, err := a.Tokens.Sessions.List(c.Request.Context(), s.UserID)
	if err != nil {
		return err
	}
	return a.drawSessions(c, s, u, list)
}

// endSessions answers POST /account/sessions: one session by its id, all
// others or all, when the button of that name was pressed.
func (a *app) endSessions(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "id", "others", "all")
	if err != nil {
		return err
	}
	s := middleware.Session(c)
	if form.Has("all") {
		return a.endAllSessions(c, s)
	}
	if form.Has("others") {
		ctx, want := tokens.WithReceipt(c.Request.Context())
		n, err := a.Tokens.Sessions.EndOthers(ctx, s.UserID, s.ID, a.by(c))
		if err != nil {
			return err
		}
		return a.done(c, a.endedEverywhere(c, want, good("others_ended", "Count", strconv.Itoa(n))), "/account/sessions")
	}
	return a.endSession(c, s, form.Get("id"))
}

// endAllSessions signs out everywhere, here included.
func (a *app) endAllSessions(c *gin.Context, s *tokens.Session) error {
	if err := a.Accounts.EndAllSessions(c.Request.Context(), s.UserID, a.by(c)); err != nil {
		return err
	}
	websession.Restart(c, good("all_ended"))
	middleware.SeeOther(c, "/login")
	return nil
}

// endSession ends one. That of another person is not found (rule 21); one's
// own is the sign-out.
func (a *app) endSession(c *gin.Context, s *tokens.Session, typed string) error {
	id, err := models.ParseID(typed)
	if err != nil {
		return apperr.New(apperr.NotFound, "not_found")
	}
	if id == s.ID {
		return a.logout(c)
	}
	ctx, want := tokens.WithReceipt(c.Request.Context())
	list, err := a.Tokens.Sessions.List(ctx, s.UserID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(one models.Session) bool { return one.ID == id })
	ended, err := a.Tokens.Sessions.End(ctx, s.UserID, id, "by_user", a.by(c))
	if err != nil {
		return err
	}
	if !ended || i < 0 {
		return apperr.New(apperr.NotFound, "not_found")
	}
	told := good("session_ended", "Device", templates.Device(list[i].UserAgent).In(a.web.Lang(c)))
	return a.done(c, a.endedEverywhere(c, want, told), "/account/sessions")
}
