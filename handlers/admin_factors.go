package handlers

import (
	"context"

	"github.com/gin-gonic/gin"

	"gatehouse/models"
	"gatehouse/signin"
	"gatehouse/templates"
)

// How many accounts have which factors, for administrators. Who has what is
// nobody's business but their own; administrators without a second factor are
// named, because one stolen password of theirs opens the server.

type adminJSON struct {
	ID       string  `json:"id"`
	Username *string `json:"username"`
	Email    string  `json:"email"`
}

type administratorsJSON struct {
	Total   int64       `json:"total"`
	Without int64       `json:"without"`
	Named   []adminJSON `json:"named"` // those without, at most 100
}

type factorCountsJSON struct {
	Accounts       int64              `json:"accounts"`
	Without        int64              `json:"without"`
	One            int64              `json:"one"`
	Several        int64              `json:"several"`
	Passkey        int64              `json:"passkey"`
	TOTP           int64              `json:"totp"`
	RecoveryCodes  int64              `json:"recovery_codes"`
	Administrators administratorsJSON `json:"administrators"`
}

func (a *app) factorCounts(ctx context.Context) (signin.Census, []models.User, error) {
	census, err := a.SignIn.Factors.Count(ctx)
	if err != nil {
		return census, nil, err
	}
	without, err := a.SignIn.Factors.AdminsWithout(ctx)
	return census, without, err
}

// apiFactorCounts answers GET /api/v1/admin/factors.
func (a *app) apiFactorCounts(c *gin.Context) error {
	n, without, err := a.factorCounts(c.Request.Context())
	if err != nil {
		return err
	}
	answer := factorCountsJSON{
		Accounts: n.Accounts, Without: n.None, One: n.One, Several: n.Several, Passkey: n.Passkey, TOTP: n.TOTP, RecoveryCodes: n.Recovery,
		Administrators: administratorsJSON{Total: n.Admins, Without: n.AdminsNone, Named: []adminJSON{}},
	}
	for i := range without {
		answer.Administrators.Named = append(answer.Administrators.Named,
			adminJSON{ID: without[i].ID.String(), Username: without[i].Username, Email: without[i].Email})
	}
	return ok(c, answer)
}

// factorCountsPage answers GET /admin/factors.
func (a *app) factorCountsPage(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	n, without, err := a.factorCounts(c.Request.Context())
	if err != nil {
		return err
	}
	view := templates.FactorCountsView{
		Layout: a.layout(c, u), Accounts: n.Accounts, None: n.None, One: n.One, Several: n.Several,
		Passkey: n.Passkey, TOTP: n.TOTP, Recovery: n.Recovery, Admins: n.Admins, AdminsNone: n.AdminsNone,
	}
	for i := range without {
		view.Without = append(view.Without, loginName(&without[i]))
	}
	return a.draw(c, ok200, templates.PageFactorCounts, view)
}
