package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
)

// undoForm answers GET /undo, behind the link "this wasn't me" that the old
// address got. It takes nothing back: mail scanners follow links.
func (a *app) undoForm(c *gin.Context) error { return a.undoPage(c, ok200, c.Query("token"), none) }

func (a *app) undoPage(c *gin.Context, status int, token string, p middleware.Problem) error {
	undo, err := a.Accounts.PeekUndo(c.Request.Context(), token)
	if err != nil {
		return ended(err)
	}
	return a.drawUndo(c, status, token, undo, p)
}

// undo answers POST /undo: the old address, a new password, and nobody stays
// signed in.
func (a *app) undo(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "token", "new_password")
	if err != nil {
		return err
	}
	token, password, by := form.Get("token"), form.Get("new_password"), a.byBrowser(c)
	err = required("new_password", password)
	if err == nil {
		err = a.Accounts.UndoEmail(c.Request.Context(), token, password, by)
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.undoPage(c, status, token, p) })
	}
	a.keepDevice(c, by.Fresh)
	return a.done(c, good("email_undone"), "/login")
}
