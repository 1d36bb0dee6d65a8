package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/signin"
)

// invitationJSON is an invitation as administrators see it. The link is in the
// mail alone.
type invitationJSON struct {
	ID        string   `json:"id"`
	Email     string   `json:"email"`
	Roles     []string `json:"roles"`
	State     string   `json:"state"`
	CreatedAt string   `json:"created_at"`
	ExpiresAt string   `json:"expires_at"`
}

type invitationsJSON struct {
	Invitations []invitationJSON `json:"invitations"`
}

func (a *app) invitationOf(inv *models.Invitation) invitationJSON {
	return invitationJSON{
		ID: inv.ID.String(), Email: inv.Email, Roles: inv.Roles.List(), State: accounts.InvitationState(inv, a.now()),
		CreatedAt: stamp(inv.CreatedAt.Time), ExpiresAt: stamp(inv.ExpiresAt.Time),
	}
}

// apiInvitations answers GET /api/v1/admin/invitations.
func (a *app) apiInvitations(c *gin.Context) error {
	list, err := a.Accounts.Invitations(c.Request.Context())
	if err != nil {
		return err
	}
	answer := invitationsJSON{Invitations: make([]invitationJSON, len(list))}
	for i := range list {
		answer.Invitations[i] = a.invitationOf(&list[i])
	}
	return ok(c, answer)
}

type inviteBody struct {
	Email  string   `json:"email"`
	Roles  []string `json:"roles"`
	Locale *string  `json:"locale"`
}

// apiInvite answers POST /api/v1/admin/invitations.
func (a *app) apiInvite(c *gin.Context) error {
	var in inviteBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	inv, err := a.Accounts.Invite(c.Request.Context(), middleware.Proof(c),
		accounts.Invite{Email: in.Email, Roles: in.Roles, Locale: text(in.Locale)}, a.by(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, a.invitationOf(inv))
	return nil
}

// apiWithdrawInvitation answers DELETE /api/v1/admin/invitations/:id.
func (a *app) apiWithdrawInvitation(c *gin.Context) error {
	if err := a.withdraw(c, whoIs(c).user, c.Param("id")); err != nil {
		return err
	}
	return noContent(c)
}

type acceptBody struct {
	Token    string  `json:"token"`
	Password string  `json:"password"`
	Username *string `json:"username"`
	Name     *string `json:"name"`
}

// apiAcceptInvitation answers POST /api/v1/invitations/accept.
func (a *app) apiAcceptInvitation(c *gin.Context) error {
	var in acceptBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("token", in.Token, "password", in.Password); err != nil {
		return err
	}
	u, err := a.Accounts.AcceptInvitation(c.Request.Context(), accounts.Accept{
		Token: in.Token, Password: in.Password, Username: text(in.Username), Name: text(in.Name), Client: a.by(c),
	})
	if err != nil {
		return err
	}
	user := userOf(u, signin.Held{})
	c.JSON(http.StatusCreated, registeredJSON{Status: "active", User: &user})
	return nil
}
