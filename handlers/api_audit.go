package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/audit"
)

type auditJSON struct {
	Events []audit.Record `json:"events"`
	// Next is what before takes for the page that follows; "" for the last.
	Next string `json:"next,omitempty"`
}

// apiAudit answers GET /api/v1/admin/audit.
func (a *app) apiAudit(c *gin.Context) error {
	r, err := a.readAudit(c.Request.Context(), askedOf(c.Request.URL.Query()))
	if err != nil {
		return err
	}
	list, more, err := a.Audit.List(c.Request.Context(), r.filter, r.before, r.limit)
	if err != nil {
		return err
	}
	answer := auditJSON{Events: list}
	if more {
		answer.Next = list[len(list)-1].ID.String()
	}
	return ok(c, answer)
}
