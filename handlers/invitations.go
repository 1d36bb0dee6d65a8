package handlers

import (
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/models"
)

// inviteTyped is what stays in the form after a mistake.
type inviteTyped struct{ Email, Roles string }

// invitations answers GET /admin/invitations.
func (a *app) invitations(c *gin.Context) error {
	return a.invitationsPage(c, ok200, inviteTyped{}, none)
}

func (a *app) invitationsPage(c *gin.Context, status int, typed inviteTyped, p middleware.Problem) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	list, err := a.Accounts.Invitations(c.Request.Context())
	if err != nil {
		return err
	}
	return a.drawInvitations(c, status, u, list, typed, p)
}

// changeInvitations answers POST /admin/invitations: with an id it withdraws,
// otherwise it invites. Roles are words with spaces between them.
func (a *app) changeInvitations(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "id", "email", "roles")
	if err != nil {
		return err
	}
	s := middleware.Session(c)
	if form.Has("id") {
		if err := a.withdraw(c, s.UserID, form.Get("id")); err != nil {
			return err
		}
		return a.done(c, good("invitation_withdrawn"), "/admin/invitations")
	}
	typed := inviteTyped{Email: form.Get("email"), Roles: form.Get("roles")}
	inv, err := a.Accounts.Invite(c.Request.Context(), s.Proof(),
		accounts.Invite{Email: typed.Email, Roles: strings.Fields(typed.Roles)}, a.by(c))
	if accounts.ErrAboveYours.Is(err) {
		// On the form it is a mistake like others, beside its field.
		err = apperr.InvalidField("roles", "above_yours")
	}
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.invitationsPage(c, status, typed, p) })
	}
	return a.done(c, good("invitation_sent", "Email", inv.Email), "/admin/invitations")
}

func (a *app) withdraw(c *gin.Context, actor models.ID, typed string) error {
	id, err := models.ParseID(typed)
	if err != nil {
		return accounts.ErrNotFound
	}
	return a.Accounts.WithdrawInvitation(c.Request.Context(), actor, id, a.by(c))
}
