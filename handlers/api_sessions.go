package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/models"
	"gatehouse/templates"
)

type sessionJSON struct {
	ID         string   `json:"id"`
	Current    bool     `json:"current"`
	CreatedAt  string   `json:"created_at"`
	LastSeenAt string   `json:"last_seen_at"`
	IP         string   `json:"ip"`
	Device     string   `json:"device"`
	Methods    []string `json:"methods"`
}

type sessionsJSON struct {
	Sessions []sessionJSON `json:"sessions"`
}

// apiSessions answers GET /api/v1/me/sessions.
func (a *app) apiSessions(c *gin.Context) error {
	me := whoIs(c)
	rows, err := a.Tokens.Sessions.List(c.Request.Context(), me.user)
	if err != nil {
		return err
	}
	answer := sessionsJSON{Sessions: make([]sessionJSON, len(rows))}
	for i, s := range rows {
		answer.Sessions[i] = sessionJSON{
			ID: s.ID.String(), Current: s.ID == me.session, CreatedAt: stamp(s.CreatedAt.Time), LastSeenAt: stamp(s.LastSeenAt.Time),
			IP: s.IP, Device: templates.Device(s.UserAgent).String(), Methods: s.AMR.List(),
		}
	}
	return ok(c, answer)
}

// apiEndOthers answers DELETE /api/v1/me/sessions: every session but the one
// that asks, and with ?all=true that one as well.
func (a *app) apiEndOthers(c *gin.Context) error {
	ctx, receipt, err := a.receipt(c)
	if err != nil {
		return err
	}
	me := whoIs(c)
	switch all, given := c.GetQuery("all"); {
	case given && all == "true":
		if err := a.Accounts.EndAllSessions(ctx, me.user, a.by(c)); err != nil {
			return err
		}
		return a.ended(c, receipt)
	case given && all != "false":
		return apperr.New(apperr.Malformed, "bad_all")
	}
	if _, err := a.Tokens.Sessions.EndOthers(ctx, me.user, me.session, a.web.Client(c)); err != nil {
		return err
	}
	return a.ended(c, receipt)
}

// apiEndSession answers DELETE /api/v1/me/sessions/:id. The session of another
// person is not found (rule 21).
func (a *app) apiEndSession(c *gin.Context) error {
	id, err := models.ParseID(c.Param("id"))
	if err != nil {
		return apperr.New(apperr.NotFound, "not_found")
	}
	ctx, receipt, err := a.receipt(c)
	if err != nil {
		return err
	}
	ended, err := a.Tokens.Sessions.End(ctx, whoIs(c).user, id, "by_user", a.web.Client(c))
	if err != nil {
		return err
	}
	if !ended {
		return apperr.New(apperr.NotFound, "not_found")
	}
	return a.ended(c, receipt)
}
