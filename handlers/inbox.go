package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/mail"
)

// inboxAnswer is the development inbox as the contract has it, newest first.
type inboxAnswer struct {
	Messages []mail.InboxMessage `json:"messages"`
}

// inbox answers GET /dev/inbox.
func (a *app) inbox(c *gin.Context) error {
	list, err := a.Mail.Inbox(c.Request.Context())
	if err != nil {
		return err
	}
	return a.drawInbox(c, list)
}

// inboxJSON answers GET /dev/inbox.json.
func (a *app) inboxJSON(c *gin.Context) error {
	list, err := a.Mail.Inbox(c.Request.Context())
	if err != nil {
		return err
	}
	if list == nil {
		list = []mail.InboxMessage{}
	}
	return ok(c, inboxAnswer{list})
}
