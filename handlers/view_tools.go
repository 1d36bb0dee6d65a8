package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/openapi"
	"gatehouse/mail"
	"gatehouse/templates"
)

// The pages for developers.

func (a *app) drawInbox(c *gin.Context, list []mail.InboxMessage) error {
	view := templates.InboxView{Layout: a.layout(c, nil)}
	for _, m := range list {
		view.Messages = append(view.Messages, templates.InboxMessage{
			To: m.To, Subject: m.Subject, Purpose: m.Purpose, Code: m.Code, Text: m.Text, HTML: m.HTML, Links: m.Links, At: m.CreatedAt,
		})
	}
	return a.draw(c, ok200, templates.PageInbox, view)
}

func (a *app) drawDocs(c *gin.Context, r openapi.Reference, group string) error {
	view := templates.DocsView{Layout: a.layout(c, nil), Title: r.Title, Version: r.Version, Description: r.Description, Group: group}
	for _, g := range r.Groups {
		view.Groups = append(view.Groups, docsGroup(g))
	}
	return a.draw(c, ok200, templates.PageDocs, view)
}

func docsGroup(g openapi.Group) templates.DocsGroup {
	out := templates.DocsGroup{Slug: g.Slug, Name: g.Name, Description: g.Description}
	for _, op := range g.Operations {
		out.Operations = append(out.Operations, templates.DocsOperation{
			ID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description, Bearer: op.Bearer,
			Parameters: docsFields(op.Parameters), BodyType: op.BodyType, Body: docsFields(op.Body), Answers: docsAnswers(op.Answers),
		})
	}
	return out
}

func docsFields(list []openapi.Field) []templates.DocsField {
	var out []templates.DocsField
	for _, f := range list {
		out = append(out, templates.DocsField{Name: f.Name, Type: f.Type, Description: f.Description, In: f.In, Required: f.Required})
	}
	return out
}

func docsAnswers(list []openapi.Answer) []templates.DocsAnswer {
	var out []templates.DocsAnswer
	for _, one := range list {
		out = append(out, templates.DocsAnswer{Status: one.Status, Description: one.Description, Fields: docsFields(one.Fields)})
	}
	return out
}
