package handlers

import (
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/tokens"
)

// tokensTyped is what was typed into the form of a personal token.
type tokensTyped struct {
	Name, Apps, ExpiresAt string
	Scopes                []string
}

// tokensForm answers GET /account/tokens.
func (a *app) tokensForm(c *gin.Context) error {
	end := a.now().Add(tokens.PersonalLife).Format(time.DateOnly)
	return a.tokensPage(c, ok200, tokensTyped{ExpiresAt: end}, none)
}

func (a *app) tokensPage(c *gin.Context, status int, typed tokensTyped, p middleware.Problem) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	list, err := a.Tokens.Personal.List(c.Request.Context(), u.ID)
	if err != nil {
		return err
	}
	return a.drawTokens(c, status, u, list, typed, p)
}

// changeTokens answers POST /account/tokens: the button says what to do.
func (a *app) changeTokens(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, append([]string{"id", "all", "show", "token_name", "apps", "expires_at"}, tokens.PersonalScopes()...)...)
	switch {
	case err != nil:
		return err
	case form.Has("id"):
		return a.endToken(c, form.Get("id"))
	case form.Has("all"):
		return a.endAllTokens(c)
	case form.Has("show"):
		return a.showToken(c)
	}
	return a.makeToken(c, form)
}

// showToken answers with an access token, 200 and no-store: a secret that is
// shown once is never parked in the session.
func (a *app) showToken(c *gin.Context) error {
	s, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	access, err := a.Tokens.Access.Show(c.Request.Context(), s.ID, a.by(c))
	if err != nil {
		return err
	}
	return a.drawToken(c, u, access)
}

// makeToken answers with a new personal token, 200 and no-store.
func (a *app) makeToken(c *gin.Context, form middleware.Form) error {
	typed := tokensTyped{Name: form.Get("token_name"), Apps: form.Get("apps"), ExpiresAt: form.Get("expires_at")}
	for _, scope := range tokens.PersonalScopes() {
		if form.Has(scope) {
			typed.Scopes = append(typed.Scopes, scope)
		}
	}
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	made, err := a.makeTyped(c, u.ID, typed)
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.tokensPage(c, status, typed, p) })
	}
	return a.drawPersonal(c, u, made)
}

func (a *app) makeTyped(c *gin.Context, user models.ID, typed tokensTyped) (tokens.MadePersonal, error) {
	in := tokens.NewPersonal{Name: typed.Name, Scopes: append(typed.Scopes, strings.Fields(typed.Apps)...)}
	if typed.ExpiresAt != "" {
		var err error
		if in.ExpiresAt, err = parseEnd(typed.ExpiresAt); err != nil {
			return tokens.MadePersonal{}, err
		}
	}
	return a.Tokens.Personal.Make(c.Request.Context(), user, in, a.by(c))
}

// endToken ends one. That of another person is not found (rule 21).
func (a *app) endToken(c *gin.Context, typed string) error {
	user := middleware.Session(c).UserID
	ctx, want := tokens.WithReceipt(c.Request.Context())
	list, err := a.Tokens.Personal.List(ctx, user)
	if err != nil {
		return err
	}
	if err := a.endPersonal(ctx, user, typed, a.by(c)); err != nil {
		return err
	}
	name := ""
	for _, one := range list {
		if one.ID.String() == typed {
			name = one.Name
		}
	}
	return a.done(c, a.endedEverywhere(c, want, good("personal_ended", "Name", name)), "/account/tokens")
}

// endAllTokens ends every personal token of a person.
func (a *app) endAllTokens(c *gin.Context) error {
	user := middleware.Session(c).UserID
	ctx, want := tokens.WithReceipt(c.Request.Context())
	list, err := a.Tokens.Personal.List(ctx, user)
	if err != nil {
		return err
	}
	for _, one := range list {
		err := a.endPersonal(ctx, user, one.ID.String(), a.by(c))
		if err != nil && apperr.Reason(err) != "not_found" { // ended meanwhile
			return err
		}
	}
	return a.done(c, a.endedEverywhere(c, want, good("personal_all_ended")), "/account/tokens")
}
