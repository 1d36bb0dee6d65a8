package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
)

// apiLogout answers POST /api/v1/logout: the session of the token ends with
// its refresh family and every access token of it. A second try finds nothing
// to end and is answered alike; the bearer check has refused it by then.
func (a *app) apiLogout(c *gin.Context) error {
	if err := middleware.DecodeOptionalJSON(c.Request, &struct{}{}); err != nil {
		return err
	}
	ctx, receipt, err := a.receipt(c)
	if err != nil {
		return err
	}
	me := whoIs(c)
	if _, err := a.Tokens.Sessions.EndCurrent(ctx, me.user, me.session, a.web.Client(c)); err != nil {
		return err
	}
	return a.ended(c, receipt)
}
