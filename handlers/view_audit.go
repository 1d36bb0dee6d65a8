package handlers

import (
	"net/url"

	"github.com/gin-gonic/gin"

	"gatehouse/audit"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/templates"
)

// drawAudit draws the record; shown is nil for a question that was not understood.
func (a *app) drawAudit(c *gin.Context, status int, q auditAsked, shown *auditShown, p middleware.Problem) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	view := templates.AuditView{
		Layout: a.layout(c, u), Form: formOf(p, "user", q.User, "by", q.By, "action", q.Action, "since", q.Since),
		Asked: q.User+q.By+q.Action+q.Outcome+q.Since != "", Failures: q.Outcome == string(audit.Failure), Older: q.Before != "",
	}
	if shown == nil {
		return a.draw(c, status, templates.PageAudit, view)
	}
	var ids []models.ID
	for _, r := range shown.list {
		ids = append(ids, r.Actor, r.Subject)
	}
	names, err := a.Accounts.Logins(c.Request.Context(), ids)
	if err != nil {
		return err
	}
	for _, r := range shown.list {
		view.List = append(view.List, auditRow(r, names))
	}
	if shown.more {
		view.Next = auditLink(q, shown.list[len(shown.list)-1].ID)
	}
	return a.draw(c, status, templates.PageAudit, view)
}

func auditRow(r audit.Record, names map[models.ID]string) templates.AuditRow {
	row := templates.AuditRow{
		ID: r.ID.String(), Action: string(r.Action), Failed: r.Outcome == audit.Failure, Reason: r.Reason, At: r.At,
		Detail: audit.Words(r.Detail), IP: r.Personal["ip"], UserAgent: r.Personal["user_agent"], Erased: r.Erased,
	}
	row.Subject = auditPerson(r.Subject, names)
	if r.Actor != r.Subject {
		row.Actor = auditPerson(r.Actor, names)
	}
	return row
}

// auditPerson is somebody by name, or by id when nobody has that id any more.
func auditPerson(id models.ID, names map[models.ID]string) templates.AuditPerson {
	if id.IsZero() {
		return templates.AuditPerson{}
	}
	p := templates.AuditPerson{ID: id.String(), Name: names[id]}
	if p.Name == "" {
		p.Name = p.ID
	}
	return p
}

// auditLink is the same question for what is older.
func auditLink(q auditAsked, before models.ID) string {
	v := url.Values{"before": {before.String()}}
	for name, value := range map[string]string{"user": q.User, "by": q.By, "action": q.Action, "outcome": q.Outcome, "since": q.Since, "until": q.Until} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return "/admin/audit?" + v.Encode()
}
