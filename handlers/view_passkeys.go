package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/templates"
)

// passkeysDrawing is what the page of passkeys is drawn from.
type passkeysDrawing struct {
	user  *models.User
	list  []models.Passkey
	typed passkeysTyped
}

func (a *app) drawPasskeys(c *gin.Context, status int, d passkeysDrawing, p middleware.Problem) error {
	proved, err := a.web.Proved(c)
	if err != nil {
		return err
	}
	form := formOf(p, "name", d.typed.Name)
	view := templates.PasskeysView{
		Layout: a.layout(c, d.user), Form: form, Off: !a.Passkeys.Available(),
		Proved: proved,
	}
	for _, k := range d.list {
		row := templates.PasskeyRow{ID: k.ID.String(), Name: k.Name, Synced: k.BackupEligible != 0, Since: k.CreatedAt.Time, LastUsed: k.LastUsedAt.Time}
		if k.RPID != a.Passkeys.RPID() {
			row.Domain = k.RPID
		}
		if row.Wrong = row.ID == d.typed.ID; row.Wrong {
			row.Typed = d.typed.Name
		}
		view.Passkeys = append(view.Passkeys, row)
	}
	for _, s := range a.Passkeys.Signals(d.user, d.list) {
		view.Signals = append(view.Signals, templates.PasskeySignal{
			RPID: s.RPID, UserID: s.User.ID, Name: s.User.Name, DisplayName: s.User.DisplayName, IDs: s.IDs,
		})
	}
	return a.draw(c, status, templates.PagePasskeys, view)
}
