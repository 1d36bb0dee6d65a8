package handlers

import (
	"cmp"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/signin"
	"gatehouse/templates"
	"gatehouse/tokens"
)

// The pages behind the door.

func (a *app) drawAccount(c *gin.Context, s *tokens.Session, u *models.User, sessions int) error {
	return a.draw(c, ok200, templates.PageAccount, templates.AccountView{
		Layout: a.layout(c, u), Name: u.Name, Username: text(u.Username), Email: u.Email,
		Methods: s.AMR.List(), PasswordChangedAt: u.PasswordChangedAt.Time, Sessions: sessions,
		Offer: a.takeOffer(c),
	})
}

func (a *app) drawProfile(c *gin.Context, status int, u *models.User, typed profileTyped, p middleware.Problem) error {
	return a.draw(c, status, templates.PageProfile, templates.ProfileView{
		Layout: a.layout(c, u), Form: formOf(p, "name", typed.Name, "username", typed.Username),
		Email: u.Email, Verified: !u.EmailVerifiedAt.IsZero(),
	})
}

func (a *app) drawEmail(c *gin.Context, status int, u *models.User, typed string, p middleware.Problem) error {
	return a.draw(c, status, templates.PageEmail, templates.EmailView{Layout: a.layout(c, u), Form: formOf(p, "email", typed), Email: u.Email})
}

func (a *app) drawEmailVerify(c *gin.Context, status int, u *models.User, page emailTyped, p middleware.Problem) error {
	return a.draw(c, status, templates.PageEmailVerify, templates.EmailVerifyView{
		Layout: a.layout(c, u), Form: formOf(p), Email: page.Email, Token: page.Token, CodeTTL: accounts.CodeTTL,
	})
}

func (a *app) drawSecurity(c *gin.Context, status int, u *models.User, p middleware.Problem) error {
	held, err := a.SignIn.Factors.Held(c.Request.Context(), u.ID)
	if err != nil {
		return err
	}
	trusted, err := a.SignIn.TrustedDevices(c.Request.Context(), u)
	if err != nil {
		return err
	}
	proved, err := a.web.ProvedSecond(c)
	if err != nil {
		return err
	}
	form := formOf(p)
	// The page has two passwords; a refusal of the account is about the first.
	if wrong := form.Wrong["password"]; wrong != "" {
		delete(form.Wrong, "password")
		form.Wrong["current_password"] = wrong
	}
	return a.draw(c, status, templates.PageSecurity, templates.SecurityView{
		Layout: a.layout(c, u), Form: form, Login: loginName(u), Proved: proved,
		PasswordChangedAt: u.PasswordChangedAt.Time, MinLength: a.Config.PasswordMinLength,
		TOTP: held.TOTP > 0, Passkeys: held.Passkeys, RecoveryCodes: held.RecoveryCodes, Health: held.Health(),
		Trusted: trustedRows(trusted),
	})
}

func trustedRows(list []models.TrustedDevice) (rows []templates.TrustedRow) {
	for _, d := range list {
		rows = append(rows, templates.TrustedRow{
			ID: d.ID.String(), UserAgent: d.UserAgent, Since: d.CreatedAt.Time, Ends: d.ExpiresAt.Time, LastUsed: d.LastUsedAt.Time,
		})
	}
	return rows
}

// drawTOTP draws the page of the code app; seed as in drawEnrol.
func (a *app) drawTOTP(c *gin.Context, status int, u *models.User, seed *signin.Enrolment, p middleware.Problem) error {
	view, err := seedView(a.layout(c, u), seed, p)
	if err != nil {
		return err
	}
	return a.draw(c, status, templates.PageTOTP, view)
}

// drawCodes shows recovery codes, once. news is the message above them.
func (a *app) drawCodes(c *gin.Context, u *models.User, news string, codes []string, back string) error {
	view := templates.CodesView{Layout: a.layout(c, u), Codes: codes, Site: a.Config.AppURL, Back: back}
	if news != "" {
		view.Flash = append(view.Flash, a.Pages.Flash(a.web.Lang(c), templates.Good, news, nil))
	}
	view.File = templates.CodesFile(a.Config.AppURL, loginName(u), codes)
	return a.draw(c, ok200, templates.PageCodes, view)
}

func (a *app) drawSessions(c *gin.Context, s *tokens.Session, u *models.User, list []models.Session) error {
	view := templates.SessionsView{
		Layout: a.layout(c, u), Current: sessionRow(s.Session),
		IdleTTL: a.Config.SessionIdleTTL, AbsoluteTTL: a.Config.SessionMaxAge,
	}
	for _, one := range list {
		if one.ID != s.ID {
			view.Others = append(view.Others, sessionRow(one))
		}
	}
	return a.draw(c, ok200, templates.PageSessions, view)
}

func sessionRow(s models.Session) templates.SessionRow {
	return templates.SessionRow{
		ID: s.ID.String(), UserAgent: s.UserAgent, Methods: s.AMR.List(),
		Since: s.CreatedAt.Time, LastSeen: s.LastSeenAt.Time, IP: s.IP,
	}
}

func (a *app) drawTokens(c *gin.Context, status int, u *models.User, list []models.PersonalToken, typed tokensTyped, p middleware.Problem) error {
	proved, err := a.web.Proved(c)
	if err != nil {
		return err
	}
	today := a.now()
	view := templates.TokensView{
		Layout: a.layout(c, u), Form: tokensFormOf(typed, p), TTL: a.Config.AccessTokenTTL, Proved: proved,
		First: today.Format(time.DateOnly), Last: today.Add(tokens.PersonalLongest).AddDate(0, 0, -1).Format(time.DateOnly),
	}
	for _, t := range list {
		view.Tokens = append(view.Tokens, templates.PersonalRow{
			ID: t.ID.String(), Name: t.Name, Scopes: t.Scope.List(), Ends: t.ExpiresAt.Time,
			LastUsed: t.LastUsedAt.Time, IP: t.LastUsedIP, Via: t.LastUsedVia,
		})
	}
	return a.draw(c, status, templates.PageTokens, view)
}

// tokensFormOf says beside its own field what the room says of a name or a
// scope: the form asks for scopes of ours and of apps apart.
func tokensFormOf(typed tokensTyped, p middleware.Problem) templates.Form {
	pairs := []string{"token_name", typed.Name, "apps", typed.Apps, "expires_at", typed.ExpiresAt}
	for _, scope := range typed.Scopes {
		pairs = append(pairs, scope, "1")
	}
	rename := map[string]string{"name": "token_name"}
	if typed.Apps != "" {
		rename["scopes"] = "apps"
	}
	fields := map[string]string{}
	for name, sentence := range p.Fields {
		fields[cmp.Or(rename[name], name)] = sentence
	}
	p.Fields = fields
	return formOf(p, pairs...)
}

func (a *app) drawPersonal(c *gin.Context, u *models.User, made tokens.MadePersonal) error {
	return a.draw(c, ok200, templates.PagePersonal, templates.PersonalView{
		Layout: a.layout(c, u), Token: made.Token.Reveal(), Name: made.Name, Scopes: made.Scope.List(), Ends: made.ExpiresAt.Time,
		AppURL: a.Config.AppURL,
	})
}

func (a *app) drawToken(c *gin.Context, u *models.User, access tokens.AccessToken) error {
	view, err := templates.NewTokenView(a.layout(c, u), access.Token.Reveal(), a.Config.AppURL)
	if err != nil {
		return err
	}
	return a.draw(c, ok200, templates.PageToken, view)
}
