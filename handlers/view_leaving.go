package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/templates"
)

// The pages of coming and going: invitations, one's data, closing.

func (a *app) drawInvitation(c *gin.Context, status int, typed invitedTyped, p middleware.Problem) error {
	return a.draw(c, status, templates.PageInvitation, templates.InvitationView{
		Layout: a.layout(c, nil), Form: formOf(p, "name", typed.Name, "username", typed.Username),
		Token: typed.Token, Email: typed.Email, MinLength: a.Config.PasswordMinLength,
	})
}

func (a *app) drawInvitations(c *gin.Context, status int, u *models.User, list []models.Invitation, typed inviteTyped, p middleware.Problem) error {
	view := templates.InvitationsView{
		Layout: a.layout(c, u), Form: formOf(p, "email", typed.Email, "roles", typed.Roles), TTL: accounts.InvitationTTL,
	}
	for i := range list {
		state := accounts.InvitationState(&list[i], a.now())
		view.List = append(view.List, templates.InvitationRow{
			ID: list[i].ID.String(), Email: list[i].Email, Roles: list[i].Roles.List(), State: state,
			Open: state == accounts.InvitationOpen, Sent: list[i].CreatedAt.Time, Ends: list[i].ExpiresAt.Time,
		})
	}
	return a.draw(c, status, templates.PageInvitations, view)
}

func (a *app) drawData(c *gin.Context, u *models.User) error {
	return a.draw(c, ok200, templates.PageData, templates.DataView{Layout: a.layout(c, u)})
}

func (a *app) drawClose(c *gin.Context, u *models.User) error {
	return a.draw(c, ok200, templates.PageClose, templates.CloseView{
		Layout: a.layout(c, u), TTL: accounts.ClosingTTL, EraseAt: a.now().Add(accounts.ClosingTTL),
	})
}
